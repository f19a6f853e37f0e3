package netcause

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// NoNameServer is why a name has no address when no name server answers. Whoever
// takes that for the silence of the server that was to be reached looks for the
// fault in the wrong place.
const NoNameServer = "name lookup failed: no answer from the name server"

// Naming knows whether a connection waits for a name server. When time is up,
// the libraries say only that.
type Naming struct{ waits atomic.Bool }

// Trace returns a context to connect with, and what it tells about the lookup of
// the server's name.
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

// Unanswered reports whether a name was asked for and no answer has come.
func (n *Naming) Unanswered() bool { return n.waits.Load() }
