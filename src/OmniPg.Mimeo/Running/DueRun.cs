using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Tables that are due, several at once: the first that waits and whose source has room goes next, and one that fails stops no other.</summary>
internal sealed class DueRun(DueOptions options, Func<QualifiedName, CancellationToken, Task<RefreshResult>> refresh)
{
    private readonly List<RefreshResult> _results = [];
    private readonly List<DueFailure> _failures = [];

    /// <summary>Refreshes them.</summary>
    /// <param name="due">The tables with the numbers of their sources, in their order.</param>
    /// <param name="cancellationToken">Cancels those that run; no other begins.</param>
    public async Task<DueResult> RunAsync(IReadOnlyList<(QualifiedName Table, int Source)> due, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var (waiting, running) = (due.ToList(), new Dictionary<Task, int>());
        try
        {
            while (waiting.Count + running.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int next;
                while (running.Count < options.MaxParallelTables && (next = waiting.FindIndex(t => HasRoom(t.Source))) >= 0)
                {
                    var (table, source) = waiting[next];
                    waiting.RemoveAt(next);
                    running.Add(Task.Run(() => RefreshAsync(table, stop.Token), CancellationToken.None), source);
                }
                var ended = await Task.WhenAny(running.Keys).ConfigureAwait(false);
                running.Remove(ended);
                await ended.ConfigureAwait(false);
            }
            return new DueResult([.. _results], [.. _failures]);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(running.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        bool HasRoom(int source) => options.MaxParallelPerSource is not { } most || running.Values.Count(s => s == source) < most;
    }

    private async Task RefreshAsync(QualifiedName table, CancellationToken cancellationToken)
    {
        try
        {
            var result = await refresh(table, cancellationToken).ConfigureAwait(false);
            lock (_results)
                _results.Add(result);
        }
        // Whatever is wrong with one table, the others are due as well.
        catch (Exception error) when (error is OmniPgException or NpgsqlException or ArgumentException)
        {
            lock (_failures)
                _failures.Add(new DueFailure(table, error));
        }
    }
}
