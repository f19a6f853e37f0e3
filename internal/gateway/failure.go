package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// The error codes of etcd that readers know.
const (
	codeKeyNotFound  = 100
	codeNotDir       = 104
	codeReadOnly     = 107
	codeUnauthorized = 110
	codeIndexNaN     = 203
	codeInvalidField = 209
	codeInvalidForm  = 210
	codeRaft         = 300
	codeIndexCleared = 401
)

// messageOf returns etcd's message for a code.
func messageOf(code int) string {
	switch code {
	case codeKeyNotFound:
		return "Key not found"
	case codeNotDir:
		return "Not a directory"
	case codeReadOnly:
		return "Root is read only"
	case codeUnauthorized:
		return "The request requires user authentication"
	case codeIndexNaN:
		return "The given index in POST form is not a number"
	case codeInvalidField:
		return "Invalid field"
	case codeInvalidForm:
		return "Invalid POST form"
	case codeIndexCleared:
		return "The event in requested index is outdated and cleared"
	}
	return "Raft Internal Error"
}

// failure is an error response.
type failure struct {
	status int
	code   int
	cause  string
	index  uint64
}

func badRequest(code int, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: code, cause: fmt.Sprintf(format, args...)}
}

// readOnly refuses a write of a key or, if the path is not a valid key, returns the
// failure bad for the path.
func readOnly(key string, bad *failure) *failure {
	cause := orRoot(key)
	if bad != nil {
		cause = bad.cause
	}
	return &failure{status: http.StatusForbidden, code: codeReadOnly, cause: cause}
}

// unavailable returns a failure that is not caused by the request. Readers keep what
// they have, or ask another gateway.
func unavailable(cause string) *failure {
	return &failure{status: http.StatusInternalServerError, code: codeRaft, cause: cause}
}

func busy(cause string) *failure {
	return &failure{status: http.StatusServiceUnavailable, code: codeRaft, cause: cause}
}

func (f *failure) write(w http.ResponseWriter) {
	body, err := json.Marshal(struct {
		ErrorCode int    `json:"errorCode"`
		Message   string `json:"message"`
		Cause     string `json:"cause"`
		Index     uint64 `json:"index"`
	}{f.code, messageOf(f.code), f.cause, f.index})
	if err != nil { // unreachable: four plain fields
		panic(err)
	}
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(f.index, 10))
	send(w, f.status, append(body, '\n'))
}

// send sends a whole body. The write deadline of the request must be set.
func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return // the client has disconnected, or is too slow
	}
	_ = http.NewResponseController(w).Flush() // the data is sent at the end of the request in any case
}
