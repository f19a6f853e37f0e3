package sal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Syslog is a sink that writes to the system log in the format of RFC 5424.
type Syslog struct {
	Label string // the sink's name; syslog if empty
	Path  string // of the socket; /dev/log if empty
}

var _ Sink = Syslog{}

// Name returns the sink's name in the outbox.
func (s Syslog) Name() string { return cmp.Or(s.Label, "syslog") }

// Kind returns PerHost.
func (Syslog) Kind() Kind { return PerHost }

func (s Syslog) path() string { return cmp.Or(s.Path, "/dev/log") }

// Send writes one message to the socket. Syslog does not acknowledge it.
func (s Syslog) Send(ctx context.Context, d Delivery) error {
	if err := s.write(ctx, syslogLine(d)); err != nil {
		return fmt.Errorf("%s %s: %w", s.Name(), s.path(), short(err))
	}
	return nil
}

func (s Syslog) write(ctx context.Context, line []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unixgram", s.path())
	if errors.Is(err, syscall.EPROTOTYPE) { // a stream socket, on which a newline ends a message
		line = append(line, '\n')
		conn, err = dialer.DialContext(ctx, "unix", s.path())
	}
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return closeAfter(conn, err)
		}
	}
	if _, err := conn.Write(line); err != nil {
		return closeAfter(conn, err)
	}
	return conn.Close()
}

// syslogLine returns a message in the format of RFC 5424, with facility user and
// severity notice. 32473 is the enterprise number that RFC 5612 reserves for
// documentation.
func syslogLine(d Delivery) []byte {
	const (
		priority  = 1*8 + 5
		maxParam  = 256
		maxSyslog = 2048 // the size that RFC 5424 says receivers should accept
	)
	r := d.merged()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%d>1 %s %s confctl - change [confctl@32473", priority,
		r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), syslogWord(r.Host.Name))
	for _, p := range [][2]string{{"id", d.ID}, {"user", r.User.Name}, {"action", r.Event.Action}} {
		if p[1] != "" {
			fmt.Fprintf(&b, ` %s="%s"`, p[0], syslogEscape(shorten(oneLine(p[1]), maxParam)))
		}
	}
	b.WriteString("] ")
	b.WriteString(shorten(oneLine(d.Message), maxSyslog-b.Len()))
	return b.Bytes()
}

// syslogWord returns a header field, which must be printable ASCII without
// blanks.
func syslogWord(s string) string {
	word := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, s)
	const maxLen = 255
	return cmp.Or(word[:min(len(word), maxLen)], "-")
}

func syslogEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(s)
}
