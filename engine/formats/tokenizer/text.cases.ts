/** Text that is hard to cut: drawn from characters of every class the patterns know, with runs, and words of real code. */
import { createRandom } from "../../generate/random.ts";

const alphabet = [
  ..."abcXYZ019 \t\n\r.,;:'\"/\\_-(){}<|>=!\u0000\u007f",
  ...["\u00a0", "\u0085", "\u2003", "\u3000", "\ufeff", "\u200d"], // spaces that are White_Space, and some that are not
  ...["é", "ß", "Ǆ", "ǅ", "ǆ", "ʰ", "ª", "日", "本", "あ", "א", "ـ", "ſ", "K"], // letters of all five kinds
  ...["\u0301", "\u0903", "\u20dd"], // marks of all three kinds
  ...["٣", "Ⅷ", "½", "𝟘"], // numbers of all three kinds
  ...["🙂", "👩‍👩‍👧", "€", "𐐀", "𐐨", "𠀀", "\ud800", "\udc00"], // beyond the BMP; halves of pairs
  ...["'s", "'S", "'t", "'re", "'RE", "'Ve", "'m", "'ll", "'LL", "'d", "'ſ", "'l", "'r"],
  ...[
    "\r\n",
    "\n\n",
    "    ",
    "//",
    " //\n",
    "/\n/",
    "  \n ",
    "function",
    "HTTPServer",
    "don't",
    "1234567",
    "===",
    "<|eot|>",
  ],
];

/** A text of so many draws, the same for the same seed. */
export function randomText(seed: number, draws: number): string {
  const random = createRandom(seed);
  let text = "";
  for (let i = 0; i < draws; i++) {
    const drawn = alphabet[Math.floor(random() * alphabet.length)]!;
    text += random() < 0.1 ? drawn.repeat(1 + Math.floor(random() * 6)) : drawn;
  }
  return text;
}
