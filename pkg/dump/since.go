package dump

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store"
)

// Header is what a file says of the store it was read from.
type Header struct {
	// Revision is that of the last change to what the file covers: Newest. It is
	// 0 if the file does not say, which no change of anything is older than.
	Revision store.Revision
	LeftOut  int // objects that the store had and the file could not have
	// Comment is written above a YAML file, after "# " on each line. It is not read
	// back.
	Comment string
}

// Newest returns the revision of the last change to the objects of some types, as
// far as the snapshot shows: deletions are in its fences, if it has them. Unlike
// the revision of the store, it stays the same while none of them changes.
func Newest(types []*schema.Type, on object.Snapshot) store.Revision {
	var newest store.Revision
	for _, t := range types {
		newest = max(newest, on.Fences[t.Name])
		for i := range on.Objects {
			if on.Objects[i].Type == t {
				newest = max(newest, on.Objects[i].Revision)
			}
		}
	}
	return newest
}

// Reverts returns those changes of a plan to make the store what the dump says
// that may take back what others have done since the dump was made: it would
// change or remove an object that was written later, or create one again that was
// deleted later. The snapshot, which the plan was made on, has the fences of the
// types.
//
// Nobody can tell if the dump is of another store, or of this one before a backup
// was put in its place. Then everything that the plan changes or removes is
// returned, and elsewhere is true. That shows if the store has not come as far as
// the dump, or if an object that is older than the dump has another value, and
// nobody has edited the file.
//
// What is stored and cannot be read is only in a plan if that was asked for, and so
// is never returned. Nothing is returned for a file without a header, which is not the picture of a
// store but what somebody wants.
func (d Dump) Reverts(plan object.Plan, on object.Snapshot) (reverts []object.Change, elsewhere bool) {
	if !d.pictured {
		return nil, false
	}
	behind := on.Revision < d.Revision
	elsewhere = behind
	for _, c := range plan.Changes {
		if c.Before == nil {
			if !behind && on.Fences[c.After.Type.Name] > d.Revision {
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

// sum is a checksum of what follows the header's line, by which an edited file
// is told from one that is as it was written.
func sum(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:16])
}

// bodyOf returns what follows a line of a text.
func bodyOf(text []byte, line int) []byte {
	for range line {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}
