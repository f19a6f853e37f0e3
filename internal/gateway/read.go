package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// read answers a request that does not wait.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, q query) *failure {
	v, fail := h.view(r)
	if fail != nil {
		return fail
	}
	what := bodyKey{key: q.key, recursive: q.recursive, dir: q.recursive || q.slash}
	body, fail := h.bodies.share(v.Version(), what, func() ([]byte, *failure) { return h.render(v, what) })
	if fail != nil {
		fail.index = newest(v)
		return fail
	}
	defer h.bodies.release(body)
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(newest(v), 10))
	send(w, http.StatusOK, body.text)
	return nil
}

// render makes the body of a read.
func (h *Handler) render(v *mirror.View, what bodyKey) ([]byte, *failure) {
	var leaf *store.Entry
	switch h.may(what.key) {
	case denied:
		return nil, &failure{status: http.StatusForbidden, code: codeUnauthorized, cause: what.key + " is not served here"}
	case outside:
		return nil, h.missing(v, what.key)
	case above: // a key of this name is not served
	case within:
		leaf = v.Get(what.key)
	}
	if leaf == nil || what.dir {
		if entries := h.list(v, what.key); len(entries) > 0 {
			return encode(replyJSON{Action: "get", Node: directoryOf(what.key, entries, what.recursive)}), nil
		}
	}
	if leaf != nil {
		return encode(replyJSON{Action: "get", Node: leafOf(leaf)}), nil
	}
	return nil, h.missing(v, what.key)
}

// list returns the entries that a directory lists, in key order.
func (h *Handler) list(v *mirror.View, dir string) []*store.Entry {
	var entries []*store.Entry
	for e := range v.Under(h.prefix(dir)) {
		if h.lists(dir, e.Key) {
			entries = append(entries, e)
		}
	}
	return entries
}

// missing returns the failure for a key that does not exist.
func (h *Handler) missing(v *mirror.View, key string) *failure {
	for i := 1; i <= len(key); i++ {
		if i < len(key) && key[i] != '/' {
			continue
		}
		part := key[:i]
		switch h.may(part) {
		case within:
			if i < len(key) && v.Get(part) != nil && !h.anyUnder(v, part) {
				return &failure{status: http.StatusBadRequest, code: codeNotDir, cause: part}
			}
		case above:
		case outside, denied:
			return notFound(part)
		}
		if !h.anyUnder(v, part) && v.Get(part) == nil {
			return notFound(part)
		}
	}
	return notFound(orRoot(key))
}

func notFound(key string) *failure {
	return &failure{status: http.StatusNotFound, code: codeKeyNotFound, cause: key}
}

func (h *Handler) anyUnder(v *mirror.View, dir string) bool {
	for e := range v.Under(h.prefix(dir)) {
		if strings.HasPrefix(e.Key, h.root) {
			return true
		}
	}
	return false
}
