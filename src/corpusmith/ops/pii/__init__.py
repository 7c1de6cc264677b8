"""Personal data: typed kinds, each with a pattern, a cheap test before it and a checksum where one exists."""

from corpusmith.ops.pii.kinds import CLAIMED, KINDS, KindInfo
from corpusmith.ops.pii.operators import DetectPii, MaskPii, mask_meta
from corpusmith.ops.pii.scan import Span, check_kinds, find, mask

__all__ = ["CLAIMED", "KINDS", "DetectPii", "KindInfo", "MaskPii", "Span", "check_kinds", "find", "mask", "mask_meta"]
