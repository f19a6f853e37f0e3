package safety

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ratio is an exact fraction: 0.66 of 50 is 33, without a rounding error. The
// zero ratio means that no ratio is given.
type ratio struct{ part, whole int64 }

// parseRatio reads a decimal number above 0 and up to 1.
func parseRatio(text string) (ratio, error) {
	const maxDigits = 9 // digits; more could overflow
	whole, fraction, _ := strings.Cut(text, ".")
	part, err := strconv.ParseUint("0"+whole+fraction, 10, 63)
	r := ratio{int64(part), int64(math.Pow10(min(len(fraction), maxDigits)))}
	if err != nil || len(fraction) > maxDigits || r.part < 1 || r.part > r.whole {
		return ratio{}, errors.New("a number above 0 and up to 1, such as 0.66,")
	}
	return r, nil
}

// apply returns the ratio of n, rounded up.
func (r ratio) apply(n int) int {
	if r.whole == 0 {
		return 0
	}
	return int((r.part*int64(n) + r.whole - 1) / r.whole)
}

// isBelow reports whether the ratio is less than n/all.
func (r ratio) isBelow(n, all int) bool { return int64(n)*r.whole > r.part*int64(all) }

// String returns the ratio as a percentage.
func (r ratio) String() string {
	return strconv.FormatFloat(float64(r.part)*100/float64(r.whole), 'f', -1, 64) + " %"
}

// percent returns n/all as a percentage, rounded up to a tenth, so that a
// number above a limit is never shown as equal to it.
func percent(n, all int) string {
	return strconv.FormatFloat(math.Ceil(float64(n)*1000/float64(all))/10, 'f', -1, 64) + " %"
}
