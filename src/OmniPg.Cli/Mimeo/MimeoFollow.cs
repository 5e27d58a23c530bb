using OmniPg.Mimeo;

namespace OmniPg.Cli;

/// <summary>Refreshes tables again and again until the program is ended; what passes by itself is told and tried again.</summary>
internal static class MimeoFollow
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>Follows; ends by cancellation, or by an error that waiting does not mend.</summary>
    /// <param name="session">Where errors go.</param>
    /// <param name="mimeo">The destination.</param>
    /// <param name="tables">The tables.</param>
    /// <param name="pause">Time from the end of a round to the begin of the next.</param>
    /// <param name="tell">Told of each refresh that brought something.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<int> RunAsync(
        CliSession session, IMimeo mimeo, IReadOnlyList<QualifiedName> tables, TimeSpan pause, Action<RefreshResult> tell, CancellationToken cancellationToken)
    {
        for (var wait = pause; ;)
        {
            var failed = false;
            foreach (var table in tables)
            {
                try
                {
                    var result = await mimeo.RefreshAsync(table, cancellationToken: cancellationToken);
                    if (result.Status is not (RefreshStatus.NothingNew or RefreshStatus.SkippedUnchanged) || result.Warnings.Count > 0)
                        tell(result);
                }
                // A server that restarts, a lock, a lost connection: the table is as it was, and its changes are kept at the source.
                catch (MimeoException error) when (error.IsTransient || error is CopyInterruptedException || error.SqlState is null or ['5', '7', ..] && error is SourceConnectionException)
                {
                    session.Error.WriteLine($"omnipg: {table}: {ErrorReport.OneLine(error)}");
                    failed = true;
                }
            }
            wait = failed ? TimeSpan.FromTicks(Math.Min(wait.Ticks * 2, LongestPause.Ticks)) : pause;
            await Task.Delay(wait, cancellationToken);
        }
    }
}
