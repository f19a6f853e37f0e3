package gateway

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/etcdindex"
	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// replyJSON is a body in the form of etcd 3.4, with its members in the same order.
type replyJSON struct {
	Action string    `json:"action"`
	Node   nodeJSON  `json:"node"`
	Prev   *nodeJSON `json:"prevNode,omitzero"`
}

// nodeJSON is a key, or a directory. The root has neither key nor indexes, and a key
// that was deleted has no value.
type nodeJSON struct {
	Key      string     `json:"key,omitempty"`
	Value    *string    `json:"value,omitzero"`
	Dir      bool       `json:"dir,omitempty"`
	Nodes    []nodeJSON `json:"nodes,omitzero"`
	Modified uint64     `json:"modifiedIndex,omitempty"`
	Created  uint64     `json:"createdIndex,omitempty"`
}

// encode returns a body with the end of its line. Bytes that are not UTF-8 are
// replaced, as etcd does.
func encode(r replyJSON) []byte {
	body, err := json.Marshal(r)
	if err != nil { // text and numbers
		panic(err)
	}
	return append(body, '\n')
}

// leafOf is a key as a read gives it.
func leafOf(e *store.Entry) nodeJSON {
	value := string(e.Value)
	return nodeJSON{Key: e.Key, Value: &value, Modified: etcdindex.Last(e.Modified), Created: etcdindex.Last(e.Created)}
}

// directoryOf is a directory as a read gives it, of all entries that it lists.
func directoryOf(dir string, entries []*store.Entry, recursive bool) nodeJSON {
	n := nodeJSON{Key: dir, Dir: true, Nodes: nodesOf(dir, entries, recursive)}
	if dir != "" {
		n.Modified, n.Created = spanOf(entries)
	}
	return n
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

// node is the node of an event.
func (e event) node() nodeJSON {
	n := nodeJSON{Key: e.Key, Modified: e.index, Created: e.created()}
	if !e.Deleted {
		value := string(e.Value)
		n.Value = &value
	}
	return n
}

// encodeEvent is the body for an event.
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
