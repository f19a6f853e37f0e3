package serve

import (
	"io"
	"net/http"
	"time"
)

// Limits of a request. Clients send a few short header fields and no body.
// net/http adds 4 KiB to maxHeaderBytes.
const (
	maxHeaderBytes = 4 << 10
	maxFields      = 64
	maxBody        = 4 << 10
	bodyTime       = 2 * time.Second
)

// lighten drops the header fields and the body of a request before it is
// answered, because it may wait for hours, and header fields take far more memory
// than bytes on the wire.
func lighten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields, kept := 0, http.Header{}
		for name, values := range r.Header {
			fields += len(values)
			switch name {
			case "Connection", "User-Agent", "Accept", "Accept-Encoding": // used by net/http, the gateway and the metrics
				kept[name] = values
			}
		}
		if fields > maxFields {
			w.Header().Set("Connection", "close")
			http.Error(w, "too many header fields", http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		r.Header = kept
		discardBody(w, r)
		r.Trailer = nil // may have as many fields as fit into 4 KiB
		next.ServeHTTP(w, r)
	})
}

// discardBody reads the body of a request, because the next request follows it,
// and the server would otherwise read all of it before it answers. If the body is
// large or slow, the connection is closed after the response.
func discardBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // connections of a server support deadlines
	if r.ContentLength <= maxBody {
		if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxBody+1)); err == nil && n <= maxBody {
			_ = control.SetReadDeadline(time.Time{})
			return
		}
	}
	w.Header().Set("Connection", "close")
}
