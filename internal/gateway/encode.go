package gateway

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/etcdindex"
	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// replyJSON is a body in the format of etcd 3.4, with the members in the same order.
type replyJSON struct {
	Action string    `json:"action"`
	Node   nodeJSON  `json:"node"`
	Prev   *nodeJSON `json:"prevNode,omitzero"`
}

// nodeJSON is a key or a directory. The root has neither key nor indexes, and a
// deleted key has no value.
type nodeJSON struct {
	Key      string     `json:"key,omitempty"`
	Value    *string    `json:"value,omitzero"`
	Dir      bool       `json:"dir,omitempty"`
	Nodes    []nodeJSON `json:"nodes,omitzero"`
	Modified uint64     `json:"modifiedIndex,omitempty"`
	Created  uint64     `json:"createdIndex,omitempty"`
}

// encode returns a body with a newline at the end. Bytes that are not UTF-8 are
// replaced, as etcd does.
func encode(r replyJSON) []byte {
	body, err := json.Marshal(r)
	if err != nil { // unreachable: all values are strings and numbers
		panic(err)
	}
	return append(body, '\n')
}

// leafOf returns the node of a key in a read.
func leafOf(e *store.Entry) nodeJSON {
	value := string(e.Value)
	return nodeJSON{Key: e.Key, Value: &value, Modified: etcdindex.Last(e.Modified), Created: etcdindex.Last(e.Created)}
}

// directoryOf returns the node of a directory in a read, given all entries that it
// lists.
func directoryOf(dir string, entries []*store.Entry, recursive bool) nodeJSON {
	n := nodeJSON{Key: dir, Dir: true, Nodes: nodesOf(dir, entries, recursive)}
	if dir != "" {
		n.Modified, n.Created = spanOf(entries)
	}
	return n
}

// spanOf returns the indexes of a directory: the highest modified index of its
// entries, and the lowest created index.
func spanOf(entries []*store.Entry) (modified, created uint64) {
	last, first := entries[0].Modified, entries[0].Created
	for _, e := range entries[1:] {
		last, first = max(last, e.Modified), min(first, e.Created)
	}
	return etcdindex.Last(last), etcdindex.Last(first)
}

// child is an element of a directory listing: a key, or a directory with everything
// below it.
type child struct {
	key     string
	dir     bool
	entries []*store.Entry
}

// children groups the entries below a directory by the next element of their keys.
// In key order a-b/c is between a and a/c, so the result is sorted again. If a key
// and a directory have the same name, the key comes last: readers that only use
// names keep the last one.
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

func nodesOf(dir string, entries []*store.Entry, recursive bool) []nodeJSON {
	all := children(dir, entries)
	nodes := make([]nodeJSON, len(all))
	for i, c := range all {
		switch {
		case !c.dir:
			nodes[i] = leafOf(c.entries[0])
		case recursive:
			nodes[i] = directoryOf(c.key, c.entries, true)
		default:
			nodes[i] = nodeJSON{Key: c.key, Dir: true}
			nodes[i].Modified, nodes[i].Created = spanOf(c.entries)
		}
	}
	return nodes
}

// event is an event for a client that waits.
type event struct {
	mirror.Event
	index uint64
}

// created returns the createdIndex of an event: its own index if the key was absent
// before, or if the event deletes it, because not every gateway knows the entry
// before.
func (e event) created() uint64 {
	if !e.Deleted && e.Created != e.Modified {
		return etcdindex.Last(e.Created)
	}
	return e.index
}

// node returns the node of an event.
func (e event) node() nodeJSON {
	n := nodeJSON{Key: e.Key, Modified: e.index, Created: e.created()}
	if !e.Deleted {
		value := string(e.Value)
		n.Value = &value
	}
	return n
}

// encodeEvent returns the body for an event.
func encodeEvent(e event) []byte {
	r := replyJSON{Action: "set", Node: e.node()}
	if e.Deleted {
		r.Action = "delete"
	}
	if e.Before != nil {
		before := leafOf(e.Before)
		r.Prev = &before
	}
	return encode(r)
}
