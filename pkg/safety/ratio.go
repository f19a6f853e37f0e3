package safety

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ratio is a part of a whole, exactly as it was written: 0.66 of 50 is 33, and
// not a little more. The zero ratio is none.
type ratio struct{ part, whole int64 }

// parseRatio reads a decimal number above 0 and up to 1.
func parseRatio(text string) (ratio, error) {
	const most = 9 // digits: with these, nothing overflows
	whole, fraction, _ := strings.Cut(text, ".")
	part, err := strconv.ParseUint("0"+whole+fraction, 10, 63)
	r := ratio{int64(part), int64(math.Pow10(min(len(fraction), most)))}
	if err != nil || len(fraction) > most || r.part < 1 || r.part > r.whole {
		return ratio{}, errors.New("a number above 0 and up to 1, such as 0.66,")
	}
	return r, nil
}

// of returns the ratio of n, rounded up.
func (r ratio) of(n int) int {
	if r.whole == 0 {
		return 0
	}
	return int((r.part*int64(n) + r.whole - 1) / r.whole)
}

// isBelow reports whether n is a greater part of all than the ratio.
func (r ratio) isBelow(n, all int) bool { return int64(n)*r.whole > r.part*int64(all) }

// String returns the ratio in percent.
func (r ratio) String() string {
	return strconv.FormatFloat(float64(r.part)*100/float64(r.whole), 'f', -1, 64) + " %"
}

// percent returns n of all in percent, rounded up to a tenth, so that what is
// above a limit never looks like it.
func percent(n, all int) string {
	return strconv.FormatFloat(math.Ceil(float64(n)*1000/float64(all))/10, 'f', -1, 64) + " %"
}
