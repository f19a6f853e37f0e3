package sal

import (
	"context"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// A Log writes the journal and delivers the messages of the outbox, where each
// message waits from the commit of its change until its sink has received it.
//
// No message is lost: it is removed from the outbox only after its sink has
// received it. If the process dies in between, the message is sent again.
type Log struct {
	Store  store.Store
	Prefix string           // of its keys, with a slash at the end
	Sinks  []Sink           // with different names
	Self   Holder           // see ThisProcess
	Now    func() time.Time // time.Now if nil
}

func (l *Log) now() time.Time {
	if l.Now == nil {
		return time.Now().UTC()
	}
	return l.Now().UTC()
}

// A Sink is a place where changes are announced.
type Sink interface {
	// Name returns the sink's name, which is part of its keys in the outbox. It
	// must be a plain word and the same on all hosts.
	Name() string
	Kind() Kind
	// Send delivers one message before the context's deadline. An error names
	// the sink and its address; after an error, the sink may or may not have the
	// message.
	Send(ctx context.Context, d Delivery) error
}

// A Kind says what is delivered to a sink, and by which hosts.
type Kind int

// The kinds of sinks.
const (
	Channel Kind = iota // people read it: it gets no quiet changes, and late messages as one line
	Central             // one sink for all hosts; any host delivers
	PerHost             // each host has its own and delivers its own changes
)

// A Delivery is one message for a sink.
type Delivery struct {
	ID      string    // of the change, or of its first part
	Message string    // one line; see Announcement
	Time    time.Time // of the change
	Records []Record  // of all parts; empty if the journal does not have them
	// These fields are set only for Deliver, after the commit of a change.
	Revision store.Revision // of the last commit
	Quiet    bool           // the change is not announced on channels
}
