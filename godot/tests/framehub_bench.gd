class_name FramehubBench
extends FramehubTest
## What every benchmark can do.

## What was measured beside what is wanted, a line each.
var summary: PackedStringArray = []


## Notes a figure beside its bar.
func wanted(what: String, got: float, unit: String, order: String, bar: float) -> void:
	var holds: bool = got < bar
	match order:
		"<=":
			holds = got <= bar
		">=":
			holds = got >= bar
	summary.append("%-40s %8.2f %-6s %2s %s%s" % [what, got, unit, order, str(bar), "" if holds else "   MISSED"])


## The value in the middle; sorts them.
static func median(values: PackedFloat64Array) -> float:
	return percentile(values, 0.5)


## The value that such a part of all is not above; sorts them. 0 where there are none.
static func percentile(values: PackedFloat64Array, part: float) -> float:
	values.sort()
	return values[clampi(ceili(part * values.size()) - 1, 0, values.size() - 1)] if not values.is_empty() else 0.0
