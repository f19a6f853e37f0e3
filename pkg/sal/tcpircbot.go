package sal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/conftool/confctl/pkg/netcause"
)

// Bot is tcpircbot: what is written to a connection is said on a channel.
type Bot struct {
	Label   string // the sink's name; tcpircbot if empty
	Address string // host:port
}

var _ Sink = Bot{}

// Name is the sink's name in the outbox.
func (b Bot) Name() string { return cmp.Or(b.Label, "tcpircbot") }

// Kind says that people read along.
func (Bot) Kind() Kind { return Channel }

// Send says one message over a connection of its own. The bot does not answer,
// so that it was said is not certain; but one that dies with the message
// unread is found out.
func (b Bot) Send(ctx context.Context, d Delivery) error {
	if err := b.say(ctx, d.Message); err != nil {
		return fmt.Errorf("%s %s: %w", b.Name(), b.Address, short(err))
	}
	return nil
}

func (b Bot) say(ctx context.Context, message string) error {
	var d net.Dialer // tries both address families
	conn, err := d.DialContext(ctx, "tcp", b.Address)
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return closeAfter(conn, err)
		}
	}
	if _, err := io.WriteString(conn, shorten(oneLine(message), maxAnnouncement)); err != nil {
		return closeAfter(conn, err)
	}
	if err := heard(conn); err != nil {
		return closeAfter(conn, err)
	}
	return conn.Close()
}

// heard waits a little for the bot to close the connection, as it does when it
// has read everything. One that is killed before resets it.
func heard(conn net.Conn) error {
	const wait = 100 * time.Millisecond
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // it keeps connections open
	}
	return err
}

// closeAfter closes what failed already: the first error counts.
func closeAfter(c io.Closer, err error) error {
	_ = c.Close()
	return err
}

// short is the reason without the operation and the address, which are said
// already.
func short(err error) error {
	if why := netcause.Lookup(err); why != "" {
		return errors.New(why)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err
}
