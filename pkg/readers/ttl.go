package readers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// ttlField is how long resolvers may keep the addresses of a place, in seconds.
const ttlField = "ttl"

// ttlLimits is what a name server makes of the TTLs that are stored.
type ttlLimits struct {
	ignored     bool  // they are not compared
	least, most int64 // the range in a zone that they are kept in; none if most is 0
}

// parseTTL reads none, or a range in seconds: 10-300.
func parseTTL(text string) (ttlLimits, bool) {
	if text == "none" {
		return ttlLimits{ignored: true}, true
	}
	from, to, isRange := strings.Cut(text, "-")
	least, err1 := strconv.ParseUint(from, 10, 31)
	most, err2 := strconv.ParseUint(to, 10, 31)
	return ttlLimits{least: int64(least), most: int64(most)}, isRange && err1 == nil && err2 == nil && least <= most && most > 0
}

// comparesTTL reports whether the TTL of an answer is compared with the objects.
func (r Reader) comparesTTL() bool {
	f, has := r.Type.Field(ttlField)
	return has && f.Kind == schema.Int && !r.ttl.ignored
}

// ttlOf is the TTL that a name server should answer with for a stored object, if
// that has one.
func (r Reader) ttlOf(v value.Value) (int64, bool) {
	if v.Kind() != value.Map {
		return 0, false
	}
	stored := fieldOf(v, ttlField)
	if f, has := r.Type.Field(ttlField); has && stored.IsAbsent() {
		stored = f.Default
	}
	n, ok := stored.Int()
	if r.ttl.most > 0 {
		n = min(max(n, r.ttl.least), r.ttl.most)
	}
	return n, ok
}

// ttlMismatch compares the TTL of one address with that of its place. It reports
// false if the TTL may be that of another place: a name server that goes through
// the places in the order of their distance answers with the lowest TTL of those
// that it has passed.
func (j judgement) ttlMismatch(a address, o object.Object, all map[string]object.Object) (wrong []mismatch, shown bool) {
	want, ok := j.ttlOf(value.OfMap(o.Fields...))
	if !ok || want == a.ttl {
		return nil, ok
	}
	for _, other := range all {
		v := value.OfMap(other.Fields...)
		if n, ok := j.ttlOf(v); ok && n == a.ttl && n < want && !isPooled(v) {
			return nil, false
		}
	}
	differs := func(v value.Value) bool {
		n, ok := j.ttlOf(v)
		return ok && n != a.ttl
	}
	what := fmt.Sprintf("answers with TTL %d for %s, not %d", a.ttl, strconv.Quote(o.Name), want)
	return []mismatch{{o.Name, what, o.Revision, differs}}, true
}

// unauthoritative is why TTLs cannot be compared, if there is an answer from a
// cache; else it is empty.
func unauthoritative(all []address) string {
	if !slices.ContainsFunc(all, func(a address) bool { return !a.authoritative }) {
		return ""
	}
	return "the answer is not authoritative, so its TTL cannot be compared: ask the name server that is, or declare ttl: none"
}
