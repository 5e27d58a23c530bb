using System.Threading.Channels;
using Npgsql;

namespace OmniPg.Cli;

/// <summary>Reads again and again, also while the server is away, and says what it found.</summary>
/// <param name="reader">Where from.</param>
/// <param name="interval">Pause between two readings.</param>
/// <param name="runs">How many runs are wanted at the moment.</param>
internal sealed class TopFeed(TopReader reader, TimeSpan interval, Func<int> runs)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>Writes a picture's worth to <paramref name="target"/> for each reading, or what was in the way, until it is cancelled.</summary>
    public async Task RunAsync(ChannelWriter<TopNews> target, CancellationToken cancellationToken)
    {
        var pause = interval;
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(pause, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested)
                return;
            try
            {
                var reading = reader.ReadAsync(runs(), runs(), cancellationToken);
                // A server that hangs says nothing; the driver's own limit is longer than a person waits for a sign of life.
                if (await Task.WhenAny(reading, Task.Delay(Patience, cancellationToken)) != reading)
                    target.TryWrite(new TopNews { Trouble = "the server has not answered yet" });
                target.TryWrite(new TopNews { Snapshot = await reading });
                pause = interval;
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                // The reader has left, so nobody asks how the last question ended.
                return;
            }
            catch (Exception error) when (IsOfTheServer(error))
            {
                // Each attempt ends within the client's timeouts; a server that is starting up is not asked ten times a second.
                pause = interval > LongestPause ? interval : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
                target.TryWrite(new TopNews { Trouble = ErrorReport.OneLine(error) });
            }
        }
    }

    private static bool IsOfTheServer(Exception error) => error is OmniPgException or NpgsqlException or TimeoutException or IOException or OperationCanceledException;
}
