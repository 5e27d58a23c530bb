using Microsoft.Extensions.Hosting;

namespace OmniPg.Shared;

/// <summary>The one loop of a package that does something from time to time in the background of a host.</summary>
/// <param name="work">One round. Its token fires when the host stops, and when leadership is lost.</param>
/// <param name="period">Time from the end of a round to the begin of the next; positive.</param>
/// <param name="failed">
/// Told of a round that failed, to log it and go on: <see langword="true"/>. <see langword="false"/> means that nobody foresaw it, and the host decides what
/// becomes of a service that broke.
/// </param>
/// <param name="time">Clock of the waits.</param>
/// <remarks>
/// Several hosts may run the same service. Where two at once do no harm, leave <see cref="Leader"/> out; where one has to be enough, give it a lock of the
/// server (<c>AdvisoryLock</c>): who holds it works until it stops or loses it, the others look for it once in each period.
/// </remarks>
internal sealed class PeriodicService(Func<CancellationToken, Task> work, TimeSpan period, Func<Exception, bool> failed, TimeProvider time) : BackgroundService
{
    /// <summary>Time before the first round. Default zero: it comes with the start.</summary>
    public TimeSpan FirstAfter { get; init; }

    /// <summary>Part of the period that is added to each wait by chance, 0 to 1, so that many hosts do not come at once. Default 0.</summary>
    public double Jitter { get; init; }

    /// <summary>Longest wait after failures, which doubles with each in a row. Default zero: the period, however many there were.</summary>
    public TimeSpan LongestWait { get; init; }

    /// <summary>
    /// Tries to become the one that works: a handle to give leadership back, and the token that fires when it is lost; null while another one has it.
    /// Default null: everybody works.
    /// </summary>
    public Func<CancellationToken, Task<(IAsyncDisposable Handle, CancellationToken Lost)?>>? Leader { get; init; }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        (IAsyncDisposable Handle, CancellationToken Lost)? lead = null;
        var wait = FirstAfter < period ? FirstAfter : period;
        var failures = 0;
        try
        {
            while (true)
            {
                if (wait > TimeSpan.Zero)
                    await Task.Delay(wait, time, stoppingToken).ConfigureAwait(false);
                try
                {
                    if (Leader is { } leader)
                        lead ??= await leader(stoppingToken).ConfigureAwait(false);
                    if (Leader is null || lead is not null)
                        await RoundAsync(lead?.Lost ?? default, stoppingToken).ConfigureAwait(false);
                    failures = 0;
                }
                catch (Exception error) when (!stoppingToken.IsCancellationRequested && failed(error))
                {
                    failures++;
                }
                if (lead is { } former && former.Lost.IsCancellationRequested)
                {
                    lead = null;
                    await former.Handle.DisposeAsync().ConfigureAwait(false);
                }
                wait = NextWait(failures);
            }
        }
        finally
        {
            if (lead is { } last)
                await last.Handle.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task RoundAsync(CancellationToken lost, CancellationToken stoppingToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lost);
        try
        {
            await work(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested && !stoppingToken.IsCancellationRequested)
        {
            // Another one leads by now or soon, and does this round.
        }
    }

    private TimeSpan NextWait(int failures)
    {
        var wait = period;
        for (var i = 1; i < failures && wait < LongestWait; i++)
            wait = wait * 2 < LongestWait ? wait * 2 : LongestWait;
#pragma warning disable CA5394 // Chance spreads the load; nobody gains by guessing it.
        return wait + (period * (Jitter * Random.Shared.NextDouble()));
#pragma warning restore CA5394
    }
}
