package netcause

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// NoNameServer is the reason why a lookup failed if no name server answers. It is
// distinct from "no answer", so that nobody looks for the fault in the server to be
// reached.
const NoNameServer = "name lookup failed: no answer from the name server"

// Naming reports whether a connection waits for a name server. After a timeout, the
// error of the library does not say that.
type Naming struct{ waits atomic.Bool }

// Trace returns a context for a connection, and a Naming that reports on the lookup
// of the server's name.
func Trace(ctx context.Context) (context.Context, *Naming) {
	n := new(Naming)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { n.waits.Store(true) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			if info.Err == nil || Lookup(info.Err) != NoNameServer {
				n.waits.Store(false)
			}
		},
	}), n
}

// Unanswered reports whether a lookup was started and has not been answered.
func (n *Naming) Unanswered() bool { return n.waits.Load() }
