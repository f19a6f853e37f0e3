package etcdv2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/store"
)

// node is a directory with its nodes, or a key with its value.
type node struct {
	Key      string         `json:"key"`
	Value    *string        `json:"value"`
	Dir      bool           `json:"dir"`
	Nodes    []node         `json:"nodes"`
	Created  store.Revision `json:"createdIndex"`
	Modified store.Revision `json:"modifiedIndex"`
}

// shapeError reports JSON that is not a tree of keys.
type shapeError struct{ msg string }

func (e *shapeError) Error() string { return e.msg }

func shapef(format string, args ...any) error { return &shapeError{fmt.Sprintf(format, args...)} }

// errNotDirectory reports a key where a directory is expected.
var errNotDirectory = errors.New("a key, not a directory")

// decode reads the reply to a recursive get of a directory. Its errors are
// *shapeError, errNotDirectory, and those of encoding/json and of the reader. A
// reply that ends early gives io.ErrUnexpectedEOF.
func decode(r io.Reader, prefix string) ([]store.Entry, error) {
	root, err := decodeTree(json.NewDecoder(r))
	switch {
	case err != nil:
		return nil, err
	case root == nil:
		return nil, shapef("the reply has no node")
	case !root.Dir && root.Value != nil:
		return nil, errNotDirectory
	}
	entries, err := root.appendTo(nil, strings.TrimSuffix(prefix, "/")+"/")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) })
	for i := range entries[min(1, len(entries)):] {
		if entries[i].Key == entries[i+1].Key {
			return nil, shapef("duplicate key %s", excerpt(entries[i].Key))
		}
	}
	return entries, nil
}

// decodeTree reads {"action": "get", "node": {...}} and nothing else.
func decodeTree(d *json.Decoder) (*node, error) {
	var reply struct {
		Node *node `json:"node"`
	}
	var mismatch *json.UnmarshalTypeError
	switch err := d.Decode(&reply); {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return nil, shapef("unexpected %s in %s", excerpt(mismatch.Value), excerpt(mismatch.Field))
	case errors.As(err, &mismatch):
		return nil, shapef("the reply is of type %s", excerpt(mismatch.Value))
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	switch _, err := d.Token(); {
	case err == nil:
		return nil, shapef("there is more after the tree of keys")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return reply.Node, nil
}

// appendTo appends all keys below a directory.
func (n *node) appendTo(entries []store.Entry, below string) (_ []store.Entry, err error) {
	if n.Dir {
		for i := range n.Nodes {
			if entries, err = n.Nodes[i].appendTo(entries, below); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case n.Dir && n.Value == nil:
		return entries, nil
	case n.Dir:
		return nil, shapef("directory %s has a value", excerpt(n.Key))
	case len(n.Nodes) > 0:
		return nil, shapef("key %s has keys below it", excerpt(n.Key))
	case n.Value == nil:
		return nil, shapef("key %s has no value", excerpt(n.Key))
	case !strings.HasPrefix(n.Key, below):
		return nil, shapef("key %s is not below %s", excerpt(n.Key), below)
	case n.Created < 0 || n.Modified < 0:
		return nil, shapef("key %s has a negative index", excerpt(n.Key))
	}
	return append(entries, store.Entry{Key: n.Key, Value: []byte(*n.Value), Created: n.Created, Modified: n.Modified}), nil
}
