package readers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/netcause"
)

// oneLine makes a text fit for a line of what a monitoring plugin prints, which
// | divides: nothing in it can end the line, or be taken for another.
func oneLine(said string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text.Spaced(said)), " "), "|", "/")
}

// printable is the beginning of a text of others on one line.
func printable(said string) string {
	const most = 160
	return text.Cut(oneLine(said), most)
}

// explain says in few words why there is no answer, over TLS by the authorities
// in a file, or the system's if it has no name.
func (a asker) explain(ctx context.Context, err error, ca string) error {
	var (
		outer   *url.Error
		unknown x509.UnknownAuthorityError
		wait    net.Error
		errno   syscall.Errno
		noTLS   tls.RecordHeaderError
	)
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if netcause.WantsCertificate(err) {
		return errors.New("it wants a client certificate, and readers are asked without")
	}
	for _, why := range []string{netcause.Lookup(err), netcause.Certificate(err), netcause.Alert(err)} {
		if why != "" && (ctx.Err() == nil || why == netcause.NoNameServer) {
			return errors.New(printable(why))
		}
	}
	switch {
	case ctx.Err() != nil, errors.As(err, &wait) && wait.Timeout():
		return fmt.Errorf("no answer within %v", a.timeout)
	case errors.As(err, &unknown) && ca != "":
		return fmt.Errorf("certificate signed by none of the authorities in %s", printable(ca))
	case errors.As(err, &unknown):
		return errors.New("certificate signed by an authority that this host does not know; name the file of a site's own with ca")
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &noTLS):
		return errors.New("the server does not speak TLS; write http:// if that is meant")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("connection closed by the server")
	case errors.As(err, &errno):
		return errors.New(errno.Error())
	}
	return errors.New(printable(inPlainWords(err.Error())))
}

// inPlainWords says what the library has no type for.
func inPlainWords(text string) string {
	switch {
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME header"):
		return "what it answers is no HTTP"
	case strings.Contains(text, "response headers exceeded"):
		return fmt.Sprintf("the headers of its answer are longer than %d KiB", maxHeaders>>10)
	}
	return text
}

// fileError is why a file cannot be read, which is named.
func fileError(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %s", printable(path), printable(err.Error()))
}
