// Package nearest suggests a known string for one that is not known.
package nearest

import (
	"fmt"
	"strings"
)

// To returns the known string nearest to the typed one, and whether it is near
// enough to suggest: at most a third of the letters, rounded up, may differ, or one
// is a prefix of the other. Case is ignored.
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

// Typo returns the known string that differs from the typed one in at most one
// letter, which is wrong, missing or extra. Case is ignored.
func Typo(typed string, known []string) (string, bool) {
	for _, k := range known {
		if distance(strings.ToLower(typed), strings.ToLower(k)) <= 1 {
			return k, true
		}
	}
	return "", false
}

// Suggest returns " (did you mean X?)", or "" if no known string is near.
func Suggest(typed string, known []string) string {
	if k, ok := To(typed, known); ok {
		return fmt.Sprintf(" (did you mean %s?)", k)
	}
	return ""
}

// distance returns the Levenshtein distance: the number of letters to insert, delete
// or replace.
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
