package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// query is a request for keys.
type query struct {
	key       string // with its leading slash and without a trailing one; empty: the root
	slash     bool   // there was a trailing one
	recursive bool
	wait      bool
	index     uint64 // to wait for; 0: the next change
	pybal     bool
}

// longest is how long a path may be. The longest keys of etcd's are as long as
// its requests, but those of objects are names.
const longest = 4096

// parse understands a request for keys as etcd does.
func parse(r *http.Request) (query, *failure) {
	q := query{pybal: strings.HasPrefix(r.UserAgent(), "PyBal/")}
	if fail := q.parsePath(r.URL.Path[len(keysPath):]); fail != nil {
		return q, fail
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return q, &failure{status: http.StatusForbidden, code: codeReadOnly, cause: orRoot(q.key)}
	}
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, badRequest(codeInvalidForm, "%s", err)
	}
	return q, q.parseForm(form, r.Method)
}

func orRoot(key string) string {
	if key == "" {
		return "/"
	}
	return key
}

func (q *query) parsePath(p string) *failure {
	q.key = strings.TrimSuffix(p, "/")
	q.slash = q.key != p
	switch {
	case len(p) > longest:
		return &failure{status: http.StatusRequestURITooLong, code: codeInvalidField,
			cause: fmt.Sprintf("the path is longer than %d bytes", longest)}
	case !utf8.ValidString(p):
		return badRequest(codeInvalidField, "the path is not UTF-8")
	case strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return badRequest(codeInvalidField, "the path has control characters")
	case odd(q.key):
		return badRequest(codeInvalidField, `the path has a part that is empty, "." or ".."`)
	}
	return nil
}

// parseForm checks the parameters in etcd's order. Those of writes are
// ignored, as unknown ones are.
func (q *query) parseForm(form url.Values, method string) *failure {
	if v, given := form["waitIndex"]; given {
		var err error
		if q.index, err = strconv.ParseUint(v[0], 10, 64); err != nil {
			return badRequest(codeIndexNaN, `invalid value for "waitIndex"`)
		}
	}
	var quorum, stream, ignored bool
	for _, f := range []struct {
		name  string
		value *bool
	}{
		{"recursive", &q.recursive},
		{"sorted", &ignored},
		{"wait", &q.wait},
		{"dir", &ignored},
		{"quorum", &quorum},
		{"stream", &stream},
	} {
		v, given := form[f.name]
		if !given {
			continue
		}
		b, err := strconv.ParseBool(v[0])
		if err != nil {
			return badRequest(codeInvalidField, "invalid value for %q", f.name)
		}
		*f.value = b
	}
	switch {
	case q.wait && method != http.MethodGet:
		return badRequest(codeInvalidField, `"wait" can only be used with GET requests`)
	case q.wait && stream:
		return badRequest(codeInvalidField, `"stream" is not supported: ask again, with "waitIndex" one more than the modifiedIndex of what was received`)
	}
	q.wait = q.wait && !quorum // etcd reads then
	return nil
}
