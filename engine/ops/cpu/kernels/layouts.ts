/** Sizes of packed weights, and which activations each layout multiplies. */
import {
  actF32,
  actK,
  actNarrow,
  actWide,
  groupRows,
  layoutBf16,
  layoutCodebook,
  layoutF16,
  layoutF32,
  layoutFiveMin,
  layoutInt8,
  layoutMx,
  layoutNibble,
  layoutNibbleMin,
  layoutQ4K,
  layoutQ5K,
  layoutQ6K,
} from "../commands";

/** Columns of one block. */
export function blockCols(layout: i32): i32 {
  if (layout == layoutF32 || layout == layoutF16 || layout == layoutBf16) return 2;
  return layout >= layoutQ4K ? 256 : 32;
}

/** Bytes of one block of a group of 8 rows. */
export function blockBytes(layout: i32): i32 {
  switch (layout) {
    case layoutF32:
      return 64;
    case layoutF16:
    case layoutBf16:
      return 32;
    case layoutInt8:
      return 32 + 256;
    case layoutCodebook:
    case layoutNibble:
    case layoutMx:
      return 32 + 128;
    case layoutNibbleMin:
      return 64 + 128;
    case layoutFiveMin:
      return 96 + 128;
    case layoutQ4K:
      return 192 + 1024;
    case layoutQ5K:
      return 192 + 1024 + 256;
    case layoutQ6K:
      return 160 + 1536;
    default:
      return unreachable();
  }
}

/** Bytes of 8 rows. */
export function groupBytes(layout: i32, cols: i32): i32 {
  const block = blockCols(layout);
  return ((cols + block - 1) / block) * blockBytes(layout);
}

export function groupsOf(rows: i32): i32 {
  return (rows + groupRows - 1) / groupRows;
}

/** The activation format a layout is multiplied with. */
export function actOf(layout: i32): i32 {
  if (layout <= layoutBf16) return actF32;
  if (layout <= layoutCodebook) return actWide;
  return layout >= layoutQ4K ? actK : actNarrow;
}
