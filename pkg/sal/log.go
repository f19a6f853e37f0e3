package sal

import (
	"context"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// Log writes the journal, and delivers from the outbox, where every message
// waits from the commit of its change until its sink has taken it.
//
// Nothing is lost: a message leaves the outbox after its sink has taken it. A
// process that dies in between leaves it there, and it is sent once more.
type Log struct {
	Store  store.Store
	Prefix string           // of the keys it keeps, with a slash at the end
	Sinks  []Sink           // each with a name of its own
	Self   Holder           // this process, see ThisProcess
	Now    func() time.Time // time.Now if nil
}

func (l *Log) now() time.Time {
	if l.Now == nil {
		return time.Now().UTC()
	}
	return l.Now().UTC()
}

// Sink is a place where people look.
type Sink interface {
	// Name is a plain word: the sink's place in the outbox, the same on all
	// hosts.
	Name() string
	Kind() Kind
	// Send delivers one message, within the context's time. An error names the
	// sink and its address: the sink may not have it.
	Send(ctx context.Context, d Delivery) error
}

// Kind says what is delivered to a sink, and by whom.
type Kind int

// The kinds of sinks.
const (
	Channel Kind = iota // people read along: no quiet changes, and old ones in one line
	Central             // one place for all hosts
	PerHost             // every host has its own, and sends there what was done on it
)

// Delivery is a message on its way.
type Delivery struct {
	ID      string    // of the change, or of its first part
	Message string    // one line, see Announcement
	Time    time.Time // of the change
	Records []Record  // of all parts; there is none if the journal has lost it
	// Of a change that was just committed, for Deliver:
	Revision store.Revision // of its last commit
	Quiet    bool           // channels are not told
}
