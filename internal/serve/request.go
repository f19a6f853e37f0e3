package serve

import (
	"io"
	"net/http"
	"time"
)

// Limits on what comes with a request. Readers send a few short header
// fields and no body. net/http adds 4 KiB to maxHeaderBytes.
const (
	maxHeaderBytes = 4 << 10
	maxFields      = 64
	maxBody        = 4 << 10
	bodyTime       = 2 * time.Second
)

// lighten drops the header fields and the body of a request before it is answered: it
// may wait for hours, and header fields take far more memory than bytes on the wire.
func lighten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields, kept := 0, http.Header{}
		for name, values := range r.Header {
			fields += len(values)
			switch name {
			case "Connection", "User-Agent", "Accept", "Accept-Encoding": // for net/http, the gateway and the metrics
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
		r.Trailer = nil // as many fields as fit into 4 KiB
		next.ServeHTTP(w, r)
	})
}

// discardBody reads past the body of a request, since the next request follows it and
// the server would read all of it before it answers this one. If the body is
// large or does not come in time, the connection ends with the answer.
func discardBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a server's connection has one
	if r.ContentLength <= maxBody {
		if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxBody+1)); err == nil && n <= maxBody {
			_ = control.SetReadDeadline(time.Time{})
			return
		}
	}
	w.Header().Set("Connection", "close")
}
