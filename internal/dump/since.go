package dump

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
)

// Header is the part of a file that describes the store it was read from.
type Header struct {
	// Revision is the revision of the last change to what the file covers, as Newest
	// returns it. It is 0 if the file has none; no change is older than that.
	Revision store.Revision
	LeftOut  int // objects of the store that the file cannot hold
	// Comment is written above a YAML file, each line after "# ". It is not read back.
	Comment string
}

// Newest returns the revision of the last change to the objects of some types, as
// far as the snapshot shows: deletions are included if it has fences. Unlike the
// revision of the store, it stays the same while none of the objects changes.
func Newest(types []*schema.Type, snapshot object.Snapshot) store.Revision {
	var newest store.Revision
	for _, t := range types {
		newest = max(newest, snapshot.Fences[t.Name])
		for i := range snapshot.Objects {
			if snapshot.Objects[i].Type == t {
				newest = max(newest, snapshot.Objects[i].Revision)
			}
		}
	}
	return newest
}

// Reverts returns the changes of an import plan that may revert changes made by
// others since the dump was written: those that would change or delete an object
// that was written later, or create an object that was deleted later. The snapshot
// must be the one that the plan was made on, with the fences of the types.
//
// If the dump is of another store, or of this store before a backup was restored,
// nobody can tell what was changed later. Then Reverts returns every change and
// deletion of the plan, and elsewhere is true. It detects this if the revision of
// the store is lower than that of the dump, or if an object that is older than the
// dump has another value and the file has not been edited.
//
// Stored objects that cannot be read are only in a plan if that was requested, and
// are never returned. Nothing is returned for a file without a header, which is not
// an export of a store.
func (d Dump) Reverts(plan object.Plan, snapshot object.Snapshot) (reverts []object.Change, elsewhere bool) {
	if !d.pictured {
		return nil, false
	}
	behind := snapshot.Revision < d.Revision
	elsewhere = behind
	for _, c := range plan.Changes {
		if c.Before == nil {
			if !behind && snapshot.Fences[c.After.Type.Name] > d.Revision {
				reverts = append(reverts, c)
			}
			continue
		}
		if c.Before.Malformed != nil {
			continue
		}
		later := c.Before.Revision > d.Revision
		if later || behind || d.unedited {
			reverts = append(reverts, c)
			elsewhere = elsewhere || !later
		}
	}
	return reverts, elsewhere
}

// sum returns a checksum of the text after the header's line. It shows whether a
// file was edited after it was written.
func sum(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:16])
}

// bodyOf returns the part of a text after a line.
func bodyOf(text []byte, line int) []byte {
	for range line {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}
