package gateway

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/conftool/confctl/pkg/etcdindex"
	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// appendLeaf writes a key as a read gives it.
func appendLeaf(b []byte, e *store.Entry) []byte {
	return appendNode(b, e.Key, e.Value, true, etcdindex.Last(e.Modified), etcdindex.Last(e.Created))
}

func appendNode(b []byte, key string, value []byte, valued bool, modified, created uint64) []byte {
	b = append(b, `{"key":`...)
	b = appendString(b, key)
	if valued {
		b = append(b, `,"value":`...)
		b = appendString(b, value)
	}
	b = appendIndexes(b, modified, created)
	return append(b, '}')
}

func appendIndexes(b []byte, modified, created uint64) []byte {
	b = append(b, `,"modifiedIndex":`...)
	b = strconv.AppendUint(b, modified, 10)
	b = append(b, `,"createdIndex":`...)
	return strconv.AppendUint(b, created, 10)
}

// appendDirectory is the body of a read of a directory, of all entries that it
// lists. The root has neither key nor indexes.
func appendDirectory(dir string, entries []*store.Entry, recursive bool) []byte {
	size := 128
	for _, e := range entries {
		size += 100 + len(e.Key) + len(e.Value)*5/4
	}
	if !recursive {
		size = 1024
	}
	b := append(make([]byte, 0, size), `{"action":"get","node":{`...)
	if dir != "" {
		b = append(b, `"key":`...)
		b = appendString(b, dir)
		b = append(b, ',')
	}
	b = append(b, `"dir":true,"nodes":[`...)
	b = appendNodes(b, dir, entries, recursive)
	b = append(b, ']')
	if dir != "" {
		modified, created := spanOf(entries)
		b = appendIndexes(b, modified, created)
	}
	return append(b, "}}\n"...)
}

// spanOf is the indexes of a directory: when something in it was last modified,
// and when the first of what is there was created.
func spanOf(entries []*store.Entry) (modified, created uint64) {
	last, first := entries[0].Modified, entries[0].Created
	for _, e := range entries[1:] {
		last, first = max(last, e.Modified), min(first, e.Created)
	}
	return etcdindex.Last(last), etcdindex.Last(first)
}

// child is what a directory lists: a key, or a directory with all below it.
type child struct {
	key     string
	dir     bool
	entries []*store.Entry
}

// children groups the entries below a directory by what comes next in their
// keys. In key order a-b/c lies between a and a/c, so they are sorted; should
// there be a key and a directory of one name, the key comes last: readers that
// know only names keep that.
func children(dir string, entries []*store.Entry) []child {
	var out []child
	for i := 0; i < len(entries); {
		key := entries[i].Key
		slash := strings.IndexByte(key[len(dir)+1:], '/')
		if slash < 0 {
			out = append(out, child{key: key, entries: entries[i : i+1]})
			i++
			continue
		}
		name := key[:len(dir)+1+slash]
		end := i + 1
		for end < len(entries) && strings.HasPrefix(entries[end].Key, name) && entries[end].Key[len(name)] == '/' {
			end++
		}
		out = append(out, child{key: name, dir: true, entries: entries[i:end]})
		i = end
	}
	order := func(a, b child) int {
		if a.key == b.key && a.dir != b.dir {
			if a.dir {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.key, b.key)
	}
	if !slices.IsSortedFunc(out, order) {
		slices.SortFunc(out, order)
	}
	return out
}

func appendNodes(b []byte, dir string, entries []*store.Entry, recursive bool) []byte {
	for i, c := range children(dir, entries) {
		if i > 0 {
			b = append(b, ',')
		}
		if !c.dir {
			b = appendLeaf(b, c.entries[0])
			continue
		}
		b = append(b, `{"key":`...)
		b = appendString(b, c.key)
		b = append(b, `,"dir":true`...)
		if recursive {
			b = append(b, `,"nodes":[`...)
			b = appendNodes(b, c.key, c.entries, recursive)
			b = append(b, ']')
		}
		modified, created := spanOf(c.entries)
		b = appendIndexes(b, modified, created)
		b = append(b, '}')
	}
	return b
}

// event is one that is told to who waits.
type event struct {
	mirror.Event
	index uint64
}

// created is the createdIndex of an event: its own for what was not there before,
// and for what is not there any more, since not every gateway knows what was.
func (e event) created() uint64 {
	if !e.Deleted && e.Created != e.Modified {
		return etcdindex.Last(e.Created)
	}
	return e.index
}

// appendChange writes the node of an event.
func appendChange(b []byte, e event) []byte {
	return appendNode(b, e.Key, e.Value, !e.Deleted, e.index, e.created())
}

// appendEvent is the body for an event.
func appendEvent(e event) []byte {
	action := "set"
	if e.Deleted {
		action = "delete"
	}
	b := append([]byte(nil), `{"action":"`+action+`","node":`...)
	b = appendChange(b, e)
	if e.Before != nil {
		b = append(b, `,"prevNode":`...)
		b = appendLeaf(b, e.Before)
	}
	return append(b, "}\n"...)
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string as Go's encoder does, and so etcd: what is
// no UTF-8 is replaced.
func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = append(b, s[done:i]...)
			b = appendEscape(b, c)
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[done:i]...), `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[done:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
		default:
			i += size
			continue
		}
		i += size
		done = i
	}
	return append(append(b, s[done:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
