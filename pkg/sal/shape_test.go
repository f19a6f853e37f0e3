package sal

import (
	"runtime"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

// hostileRecords returns texts that a user with the right to make a change may
// write to the journal.
func hostileRecords() map[string]string {
	many := strings.Repeat
	return map[string]string{
		"many objects":    `{"confctl":{"objects":[` + many(`{},`, 380_000) + `{}]}}`,
		"many findings":   `{"confctl":{"findings":[` + many(`{},`, 380_000) + `{}]}}`,
		"many undoes":     `{"confctl":{"undoes":[` + many(`"",`, 380_000) + `""]}}`,
		"many fences":     `{"confctl":{"fences":{` + many(`"a":1,`, 190_000) + `"b":1}}}`,
		"lists twice":     `{"confctl":{"objects":[` + many(`{},`, 6_000) + `{}],"objects":[` + many(`{},`, 6_000) + `{}]}}`,
		"deep":            many(`{"confctl":`, 9_000) + "1" + many("}", 9_000),
		"deep lists":      many("[", 500_000) + many("]", 500_000),
		"deep in a value": `{"confctl":{"objects":[{"before":` + many("[", 100) + many("]", 100) + `}]}}`,
		"large":           `{"event":{"id":"` + many("x", store.MaxBytes) + `"}}`,
	}
}

// TestHostileRecords: hostile records are rejected, with memory in proportion to
// their size.
func TestHostileRecords(t *testing.T) {
	for name, text := range hostileRecords() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseRecord([]byte(text))
		runtime.ReadMemStats(&after)
		if err == nil || len(err.Error()) > 200 {
			t.Errorf("%s: %.300v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
			t.Errorf("%s: %d bytes of text take %d bytes", name, len(text), took)
		}
	}
}

// TestLargestRecord: a record within the limits is accepted.
func TestLargestRecord(t *testing.T) {
	many := strings.Repeat
	for name, text := range map[string]string{
		"objects": `{"confctl":{"objects":[` + many(`{"type":"a,b","path":"[{\"\\"},`, maxElements-10) + `{}]}}`,
		"values":  `{"confctl":{"objects":[{"before":{"a":[` + many("0,", 170_000) + `0]}}]}}`,
		"depth":   `{"confctl":{"objects":[{"before":` + many("[", 64) + many("]", 64) + `}]}}`,
		"size":    `{"event":{"reason":"` + many("[", store.MaxBytes-50) + `"}}`,
	} {
		if _, err := ParseRecord([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseRecord: any text is rejected, or is a record that is the same after it
// is encoded again, and that can be shown and trimmed.
func FuzzParseRecord(f *testing.F) {
	for _, text := range hostileRecords() {
		f.Add([]byte(text[:min(len(text), 300)]))
	}
	for _, text := range []string{
		`{"@timestamp":"2026-01-02T03:04:05Z","event":{"id":"20260102T030405.000000Z-0a1b2c3d","action":"set/a=b"},"user":{"name":"x"},"host":{"hostname":"h"},"process":{"command_line":"c"},"confctl":{"selector":"s","run":"r","objects":[{"type":"node","path":"a/b","before":{"a":1,"b":"c"},"after":{"a":2,"b":"c"},"since":7}],"fences":{"node":3}}}`,
		`{"confctl":{"void":true,"objects":[{"raw":"eHg=","after":{}},{"partial":true,"before":{"a":[1]},"after":{"a":[]}},{"before":{"a":null}}]}}`,
		`{"confctl":{"objects":[{"before":3,"after":"x"}]}}`, `null`, `[]`, ``, `{`, `{"confctl":{"objects":null}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRecord(text)
		if err != nil {
			return
		}
		if n := len(r.Change.Objects) + len(r.Change.Findings) + len(r.Change.Undoes); n > maxElements+3 {
			t.Fatalf("%d parts", n)
		}
		stored, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRecord(stored)
		if err != nil && len(stored) <= store.MaxBytes {
			t.Fatalf("%v of %q", err, stored)
		}
		if twice, _ := again.Encode(); err == nil && string(twice) != string(stored) {
			t.Fatalf("%s became %s", stored, twice)
		}
		for _, o := range r.Change.Objects {
			o.Fields()
			o.ID()
		}
		if trimmed, ok := r.Trim(len(text)); ok && !trimmed.hasPartial() {
			t.Fatal("trimmed without a mark")
		}
		_ = Announcement(r, r.Change.Selector)
		_ = r.checkIDs(r.Event.ID)
	})
}

func (r Record) hasPartial() bool {
	for _, o := range r.Change.Objects {
		if o.Partial {
			return true
		}
	}
	return false
}
