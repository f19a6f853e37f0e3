package value

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// nested returns depth copies of open, then inner, then depth copies of end.
func nested(open, inner, end string, depth int) string {
	return strings.Repeat(open, depth) + inner + strings.Repeat(end, depth)
}

func TestLimits(t *testing.T) {
	deep := fmt.Sprintf("lists and maps are nested more than %d levels deep", MaxDepth)
	large := func(n int) string {
		return fmt.Sprintf("%d bytes are more than the %d that a value may have", n, MaxBytes)
	}
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for _, c := range []struct{ name, text, want string }{
		{"lists as deep as allowed", nested("[", "", "]", MaxDepth), ""},
		{"lists too deep", nested("[", "", "]", MaxDepth+1), deep},
		{"maps as deep as allowed", nested(`{"a":`, "1", "}", MaxDepth), ""},
		{"maps too deep", nested(`{"a":`, "1", "}", MaxDepth+1), deep},
		{"deep and not closed", strings.Repeat("[", 100_000), deep},
		{"brackets in a string", `"` + strings.Repeat(`[{\"`, 1_000) + `"`, ""},
		{"a list of many", "[" + strings.Repeat("[], ", 1_000) + "[]]", ""},
		{"as large as allowed", text(MaxBytes), ""},
		{"too large", text(MaxBytes + 1), large(MaxBytes + 1)},
		{"blanks too large", strings.Repeat(" ", MaxBytes) + "1", large(MaxBytes + 1)},
		{"too large in the contract's form", `"` + strings.Repeat("é", MaxBytes/4) + `"`, large(2 + MaxBytes/4*6)},
	} {
		v, err := Parse([]byte(c.text))
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || err.Error() != c.want):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case err == nil:
			if again, err := Parse([]byte(v.Text())); again != v || err != nil {
				t.Errorf("%s: its own text is refused: %v", c.name, err)
			}
		}
	}
}

// A text that repeats keys at every level takes at most its size times the levels
// of memory, and a refused text takes almost none.
func TestParseAllocatesInProportion(t *testing.T) {
	repeats := `{"a": 0, "a": ` // the last value of each map is the next map
	for _, c := range []struct {
		name, text string
		most       uint64 // bytes allocated for each byte of the text
	}{
		{"a repeated key at every level", nested(repeats, `"`+strings.Repeat("x", MaxBytes/2)+`"`, "}", MaxDepth), 2 * MaxDepth},
		{"many keys", manyKeys(30_000), 40},
		{"many keys, one of them twice", strings.TrimSuffix(manyKeys(30_000), "}") + `, "k7": 1}`, 60},
		{"many lists", "[" + strings.Repeat("[], ", MaxBytes/8) + "[]]", 20},
		{"nested 9,900 deep", nested(repeats, "1", "}", 9_900), 1},
		{"larger than allowed", "[" + strings.Repeat("0,", MaxBytes) + "0]", 1},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse([]byte(c.text)) // the conversion copies the text once
		runtime.ReadMemStats(&after)
		got, most := after.TotalAlloc-before.TotalAlloc, (c.most+1)*uint64(len(c.text))
		if got > most {
			t.Errorf("%s: %d bytes allocated for %d of text, more than %d", c.name, got, len(c.text), most)
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `, "k%d": 0`, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ", ") + "}"
}

func BenchmarkParseHostile(b *testing.B) {
	for name, text := range map[string]string{
		"nested 9,900 deep":    nested(`{"a": 0, "a": `, "1", "}", 9_900),
		"nested, repeating":    nested(`{"a": 0, "a": `, `"`+strings.Repeat("x", MaxBytes/2)+`"`, "}", MaxDepth),
		"many keys":            manyKeys(35_000),
		"many keys, one twice": strings.TrimSuffix(manyKeys(35_000), "}") + `, "k7": 1}`,
		"many lists":           "[" + strings.Repeat("[],", MaxBytes/4) + "[]]",
		"many numbers":         "[" + strings.Repeat("0,", MaxBytes/3) + "0]",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse([]byte(text))
			}
		})
	}
}
