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

	"github.com/conftool/confctl/internal/netcause"
)

// Bot is a sink that sends messages to tcpircbot, which repeats them on an IRC
// channel.
type Bot struct {
	Label   string // the sink's name; tcpircbot if empty
	Address string // host:port
}

var _ Sink = Bot{}

// Name returns the sink's name in the outbox.
func (b Bot) Name() string { return cmp.Or(b.Label, "tcpircbot") }

// Kind returns Channel.
func (Bot) Kind() Kind { return Channel }

// Send sends one message over a new connection. The bot does not acknowledge
// messages, so success is not certain, but Send returns an error if the bot dies
// before it reads the message.
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
	if err := awaitClose(conn); err != nil {
		return closeAfter(conn, err)
	}
	return conn.Close()
}

// awaitClose waits up to 100 ms for the bot to close the connection, which it
// does after it has read everything. A bot that is killed before that resets the
// connection.
func awaitClose(conn net.Conn) error {
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
		return nil // this bot keeps connections open
	}
	return err
}

// closeAfter closes c after an error and returns that error.
func closeAfter(c io.Closer, err error) error {
	_ = c.Close()
	return err
}

// short returns an error without the operation and the address, which the caller
// adds.
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
