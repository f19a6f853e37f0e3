// Package nearest finds what was probably meant by a word that is not known.
package nearest

import (
	"fmt"
	"strings"
)

// To returns the known word nearest to a typed one, and whether it is near
// enough to be worth suggesting: a third of the letters, rounded up, may differ,
// or one is the beginning of the other. Small and capital letters are the same.
func To(typed string, known []string) (string, bool) {
	if len(typed) < 2 {
		return "", false
	}
	best, least := "", (len(typed)+2)/3+1
	for _, k := range known {
		a, b := strings.ToLower(typed), strings.ToLower(k)
		d := distance(a, b)
		if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
			d = min(d, 1)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best, best != ""
}

// Typo returns the known word that is hardly anything but mistyped: one letter
// is wrong, missing or too many. Small and capital letters
// are the same.
func Typo(typed string, known []string) (string, bool) {
	for _, k := range known {
		if distance(strings.ToLower(typed), strings.ToLower(k)) <= 1 {
			return k, true
		}
	}
	return "", false
}

// Suggest returns " (did you mean X?)" if there is something to suggest.
func Suggest(typed string, known []string) string {
	if k, ok := To(typed, known); ok {
		return fmt.Sprintf(" (did you mean %s?)", k)
	}
	return ""
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
