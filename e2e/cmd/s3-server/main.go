// Command s3-server is an S3 server for tests on one machine.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/e2e/s3server"
	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
)

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "s3-server:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var (
		cfg    s3server.Config
		listen string
	)
	cmd := &cobra.Command{
		Use:   "s3-server --log FILE --bucket NAME --listen 127.0.0.1:PORT",
		Short: "an S3 server for tests on one machine: what was acknowledged survives kill -9",
		Args:  cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error { return run(cfg, listen) },
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Log, "log", "", "the write-ahead log's file")
	flags.StringVar(&cfg.Bucket, "bucket", "", "the one bucket")
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "where to listen; of the loopback network only")
	flags.Int64Var(&cfg.Store.MinPart, "min-part", 0, "the smallest part but the last, in bytes; 0: 5 MiB, below 0: none")
	flags.BoolVar(&cfg.Store.NoConditional, "weak", false, "ignore the conditions of writes")
	for _, name := range []string{"log", "bucket"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

// run serves until a signal asks it to stop. It prints a line when the address is
// open.
func run(cfg s3server.Config, listen string) error {
	at, err := tikvserver.ListenLoopback(listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server, dropped, err := s3server.New(cfg)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(at) }()
	fmt.Printf("s3-server: ready at=%s dropped=%d\n", at.Addr(), dropped)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err = <-ended:
	case <-stop:
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = web.Shutdown(ctx)
	}
	if closed := server.Close(); err == nil {
		err = closed
	}
	return err
}
