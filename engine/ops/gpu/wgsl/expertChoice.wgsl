// The expert of rank `rank` for one token, ties to the lowest index, and its logit. Every invocation scans the same few logits.
struct Choice {
  expert: u32,
  logit: f32,
}

fn chooseExpert(experts: u32, rank: u32) -> Choice {
  var chosen = Choice(experts, 0.0);
  for (var round = 0u; round <= rank; round++) {
    var best = Choice(experts, 0.0);
    for (var expert = 0u; expert < experts; expert++) {
      let logit = routerLogits[expert];
      let isLeft = round == 0u || logit < chosen.logit || (logit == chosen.logit && expert > chosen.expert);
      if (isLeft && (best.expert == experts || logit > best.logit)) {
        best = Choice(expert, logit);
      }
    }
    chosen = best;
  }
  return Choice(min(chosen.expert, experts - 1u), chosen.logit);
}
