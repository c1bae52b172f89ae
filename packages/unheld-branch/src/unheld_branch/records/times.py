"""Times of any format and zone to Unix seconds (UTC). Fractions of a second are cut off."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unheld_branch.records.faults import Fault, Faults, none
from unheld_verify.errors import BadInputError

ISO, EPOCH, EPOCH_MS = "iso", "epoch", "epoch-ms"
EARLIEST = 315_532_800  # 1980-01-01: before there were mobile networks
LEAD = 366 * 86_400

_OFFSET = r"(?P<base>.*?) ?(?P<offset>Z|[+-][01]\d:?[0-5]\d)$"
_ISO = r"^(?P<day>\d{4}-\d{2}-\d{2})(?:[T ](?P<minute>\d{2}:\d{2})(?P<second>:\d{2})?)?$"
_FRACTION = r"[.,]\d{1,9}$"
_PLAIN = "%Y-%m-%d %H:%M:%S"
_DIRECTIVES = set("YymdHMSIpfzjbBaAeTDRF%n t")


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How a source writes times: `iso`, `epoch`, `epoch-ms` or a strptime format (`%f` and `%z` only at its end), and
    the IANA zone of those without an offset of their own. An hour that comes twice is read as its first coming."""

    format: str = ISO
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.zone not in zoneinfo.available_timezones():
            raise BadInputError(f"[time] zone: no zone {self.zone!r}: take an IANA name, as in Asia/Yangon or UTC")
        if self.format in {ISO, EPOCH, EPOCH_MS}:
            return
        directives = re.findall("%(.)", self.format)
        if not directives or set(directives) - _DIRECTIVES or "%f" in self._core or "%z" in self._core:
            raise BadInputError(
                f"[time] format: {self.format!r} is none: take iso, epoch, epoch-ms or a strptime format such as "
                "'%d.%m.%Y %H:%M:%S', with %f and %z only at its end"
            )

    @property
    def _core(self) -> str:
        """The format without a fraction or an offset at its end."""
        return re.sub(r"[.,]?%f$", "", re.sub(r" ?%z$", "", self.format))


def seconds(values: pa.StringArray, rule: TimeRule, now: int) -> tuple[pa.Array, Faults]:
    """Unix seconds (int64) of distinct values, null where null or at fault. `now` bounds how far ahead one may lie."""
    if rule.format in {EPOCH, EPOCH_MS}:
        found, skipped = _epoch(values, 1 if rule.format == EPOCH else 1000), None
    else:
        found, skipped = _written(values, rule)
    faults = none(len(values))
    present = _flags(values.is_valid())
    faults[present & ~_flags(found.is_valid())] = Fault.TIME
    if skipped is not None:
        faults[skipped & present & (faults == 0)] = Fault.NO_SUCH_HOUR
    number = found.fill_null(EARLIEST).to_numpy()
    faults[(faults == 0) & (number < EARLIEST)] = Fault.TOO_OLD
    faults[(faults == 0) & (number > now + LEAD)] = Fault.TOO_NEW
    return pc.if_else(pa.array(faults == 0), found, None), faults


def _epoch(values: pa.StringArray, per_second: int) -> pa.Array:
    whole = pc.replace_substring_regex(values, r"[.,]\d*$", "")
    sound = pc.match_substring_regex(whole, r"^\d{1,15}$")
    return pc.divide(pc.if_else(sound, whole, None).cast(pa.int64()), per_second)


def _written(values: pa.StringArray, rule: TimeRule) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Unix seconds, and which local times do not exist in the zone."""
    base, offset = _split_offset(values, rule)
    naive = _naive(base, rule)
    absolute = pc.subtract(naive.cast(pa.int64()), offset)
    local = pc.assume_timezone(naive, rule.zone, ambiguous="earliest", nonexistent="earliest")
    skipped = pc.and_(pc.is_null(offset), pc.not_equal(pc.local_timestamp(local), naive))
    return pc.coalesce(absolute, local.cast(pa.int64())), _flags(skipped)


def _split_offset(values: pa.StringArray, rule: TimeRule) -> tuple[pa.StringArray, pa.Array]:
    """Text without its offset, and the offset in seconds (null where none is written)."""
    if rule.format != ISO and not rule.format.endswith("%z"):
        return values, pa.nulls(len(values), pa.int64())
    if pc.all(pc.ends_with(values, "Z")).as_py():
        return pc.utf8_slice_codeunits(values, 0, -1), _same(values, 0)
    parts = pc.extract_regex(values, _OFFSET)
    written = pc.struct_field(parts, "offset")
    base = pc.coalesce(pc.struct_field(parts, "base"), values)
    if rule.format != ISO:
        base = pc.struct_field(parts, "base")
    return base, _offset_seconds(written)


def _offset_seconds(written: pa.StringArray) -> pa.Array:
    digits = pc.replace_substring_regex(written, r"[^0-9]", "")
    digits = pc.if_else(pc.equal(written, "Z"), "0000", digits)
    hours = pc.utf8_slice_codeunits(digits, 0, 2).cast(pa.int64())
    minutes = pc.utf8_slice_codeunits(digits, 2, 4).cast(pa.int64())
    size = pc.add(pc.multiply(hours, 3600), pc.multiply(minutes, 60))
    return pc.if_else(pc.starts_with(written, "-"), pc.negate(size), size)


def _naive(base: pa.StringArray, rule: TimeRule) -> pa.Array:
    """Wall-clock times (timestamp without zone), null where the text is none."""
    if rule.format == ISO:
        base = pc.replace_substring_regex(base, _FRACTION, "")
        parts = pc.extract_regex(base, _ISO)
        minute = _or_text(pc.struct_field(parts, "minute"), "00:00")
        second = _or_text(pc.struct_field(parts, "second"), ":00")
        base, pattern = pc.binary_join_element_wise(pc.struct_field(parts, "day"), " ", minute, second, ""), _PLAIN
    else:
        pattern = rule._core
        if "%f" in rule.format:
            base = pc.replace_substring_regex(base, _FRACTION, "")
    return _strptime(base, pattern)


def _or_text(values: pa.StringArray, default: str) -> pa.StringArray:
    return pc.if_else(pc.equal(values, ""), default, values)


def _same(values: pa.StringArray, number: int) -> pa.Array:
    return pc.if_else(values.is_valid(), pa.scalar(number, pa.int64()), None)


def _strptime(base: pa.StringArray, pattern: str) -> pa.Array:
    """Arrow reads 31 February as 3 March, so a time on a day 1 to 3 is written back and compared."""
    parsed = pc.strptime(base, pattern, "s", error_is_null=True)
    doubtful = pc.less_equal(pc.day(parsed), 3)
    if not pc.any(doubtful).as_py():
        return parsed
    texts = pc.filter(base, doubtful)
    same = pc.equal(pc.strftime(pc.filter(parsed, doubtful), pattern), texts)
    if pc.all(same).as_py():
        return parsed
    checked = [_one(text, pattern) for text in texts.to_pylist()]
    return pc.replace_with_mask(parsed, doubtful.fill_null(False), pa.array(checked, parsed.type))


def _one(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)
    except ValueError:
        return None


def _flags(mask: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False))
