using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Watches the archiving of a server from the truth: what the server says of itself, what lies in the archive, what the receiver has confirmed. Changes nothing, and
/// needs no right but <c>EXECUTE</c> on <c>pg_ls_archive_statusdir()</c>, which <c>pg_monitor</c> has.
/// </summary>
/// <remarks>
/// Thread-safe. Each call looks anew, and remembers only how often archiving had failed. The archive is listed whole, and of its newest segments as many are read as it
/// takes to find the last commit, mostly one. After the original's <c>omnipitr-monitor</c>, which read logs.
/// </remarks>
public sealed class WalMonitor
{
    private readonly NpgsqlDataSource? _server;
    private readonly IObjectStore? _archive;
    private readonly IObjectStore? _backups;
    private readonly WalMonitorOptions _options;
    private readonly ILoggerFactory? _loggers;
    private readonly TimeProvider _time;
    // Who has not answered in time, by source: a call that storage holds ends when that comes back.
    private readonly ConcurrentDictionary<object, Task> _late = new(ReferenceEqualityComparer.Instance);
    private ArchivingServer? _previous;

    /// <summary>Makes a monitor; nothing is asked yet.</summary>
    /// <param name="server">The server; null leaves out what only it can tell. Not disposed.</param>
    /// <param name="archive">The archive of its WAL, or the directory of its receiver; null leaves out what it tells. Not disposed.</param>
    /// <param name="backups">The store of its base backups; null leaves out what it tells. Not disposed.</param>
    /// <param name="options">What to look at; null takes the defaults.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">Clock of <see cref="WalMonitorOptions.Timeout"/>, and of ages where no server is asked; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    /// <exception cref="ArgumentException">There is nothing to look at, or a receiver's directory is named without a server or without an archive.</exception>
    public WalMonitor(
        NpgsqlDataSource? server, IObjectStore? archive, IObjectStore? backups = null, WalMonitorOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        if (server is null && archive is null && backups is null)
            throw new ArgumentException("A server, an archive or a store of backups is needed.", nameof(server));
        (_server, _archive, _backups, _loggers, _time) = (server, archive, backups, loggerFactory, timeProvider ?? TimeProvider.System);
        _options = OptionsCheck.Require(options ?? new WalMonitorOptions());
        if (_options.ReceiverDirectory is not null && (server is null || archive is null))
            throw new ArgumentException("A receiver's directory tells of gaps of an archive, which a server has to judge: both are needed.", nameof(options));
    }

    /// <summary>Looks once.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What was found. A server or a store that cannot be asked is a finding, and what depends on it is <see cref="WalCheckLevel.Unknown"/>.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<WalMonitorResult> RunAsync(CancellationToken cancellationToken = default)
    {
        using var activity = WalTelemetry.Source.StartActivity("wal.monitor");
        var server = await AskAsync(_server, (source, token) => ArchivingServer.AskAsync(source, _options.Slot, token), cancellationToken).ConfigureAwait(false);
        // After the server: what it calls archived has to be in the list.
        var archive = await AskAsync(_archive, (store, token) => Archive.AskAsync(store, server.Found, _server, _options.ReceiverDirectory, token), cancellationToken).ConfigureAwait(false);
        var backups = await AskAsync(_backups, (store, token) => new BackupCatalog(store, _loggers).ListAsync(static _ => { }, token), cancellationToken).ConfigureAwait(false);
        var previous = Interlocked.Exchange(ref _previous, server.Found ?? Volatile.Read(ref _previous));
        var result = new MonitorFindings(_options, server, archive, backups, server.Found?.Now ?? _time.GetUtcNow(), previous).ToResult();
        activity?.SetTag("omnipg.wal.monitor.level", result.Worst.ToString());
        foreach (var check in result.Checks)
            Measure(check);
        return result;
    }

    private static void Measure(WalCheckResult check)
    {
        WalTelemetry.MonitorLevel.Record((int)check.Level, new KeyValuePair<string, object?>("check", check.Name));
        if (check is { Check: WalCheck.Rpo, Value: { } seconds })
            WalTelemetry.MonitorRpo.Record(seconds);
        else if (check is { Check: WalCheck.RpoBytes, Value: { } bytes })
            WalTelemetry.MonitorRpoBytes.Record((long)bytes);
    }

    private async Task<Answer<TFound>> AskAsync<TSource, TFound>(TSource? source, Func<TSource, CancellationToken, Task<TFound>> ask, CancellationToken cancellationToken)
        where TSource : class
        where TFound : class
    {
        if (source is null)
            return new Answer<TFound>(false, null, null);
        var noAnswer = new Answer<TFound>(true, null, new TimeoutException($"no answer within '{_options.Timeout}'"));
        // A second call would hang beside the first, and one more with every look.
        if (_late.TryGetValue(source, out var before) && !before.IsCompleted)
            return noAnswer;
        using var late = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        // On a thread of its own, because a folder on storage that hangs holds the thread that reads it, and monitoring has to answer all the same.
        var token = either.Token;
        var asking = OwnThread.RunAsync(() => ask(source, token)).Unwrap();
        try
        {
            return new Answer<TFound>(true, await asking.WaitAsync(token).ConfigureAwait(false), null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            _late[source] = asking;
            return noAnswer;
        }
        catch (Exception trouble) when (trouble is NpgsqlException or OmniPgException or IOException or UnauthorizedAccessException or TimeoutException)
        {
            return new Answer<TFound>(true, null, trouble);
        }
    }

    /// <summary>What a source said.</summary>
    /// <param name="IsAsked">Whether there is such a source.</param>
    /// <param name="Found">Its answer; null when there is none.</param>
    /// <param name="Error">Why there is none.</param>
    internal sealed record Answer<TFound>(bool IsAsked, TFound? Found, Exception? Error)
        where TFound : class;

    /// <summary>What an archive holds, of a server where it is known.</summary>
    /// <param name="Id">Its name.</param>
    /// <param name="Segments">How many complete segments there are.</param>
    /// <param name="Gaps">Segments that are missing.</param>
    /// <param name="Reach">How far it reaches; null when the server did not answer.</param>
    internal sealed record Archive(string Id, long Segments, IReadOnlyList<WalGap> Gaps, ArchiveReach? Reach)
    {
        public static async Task<Archive> AskAsync(IObjectStore archive, ArchivingServer? server, NpgsqlDataSource? source, string? receiver, CancellationToken cancellationToken)
        {
            server = server is null ? null : await server.WithReceivedAsync(receiver, cancellationToken).ConfigureAwait(false);
            var presence = await ArchivePresence.BeginAsync(archive, cancellationToken).ConfigureAwait(false);
            var map = await ArchiveMap.LoadAsync(archive, cancellationToken).ConfigureAwait(false);
            await presence.RequireAsync(server?.SystemIdentifier, cancellationToken).ConfigureAwait(false);
            var reach = server is null ? null : await ArchiveReach.FindAsync(archive, map, server, cancellationToken).ConfigureAwait(false);
            var gaps = GapFinder.Find(map, server is null ? null : await WitnessAsync(server, source!, cancellationToken).ConfigureAwait(false));
            if (gaps.FirstOrDefault(static g => g.IsLost) is { } lost)
                await EncryptedNames.RequireNoneAsync(archive, lost.From, cancellationToken).ConfigureAwait(false);
            return new Archive(archive.Id, map.Segments.Values.Sum(static t => (long)t.Count), gaps, reach);
        }

        /// <summary>The server, when it knows what its archive should hold: null when it does not tell what waits, and no receiver has confirmed anything either.</summary>
        private static async Task<ArchivingServer?> WitnessAsync(ArchivingServer server, NpgsqlDataSource source, CancellationToken cancellationToken)
        {
            if (server.Ready is null && server.Slot?.Flushed is null)
                return null;
            try
            {
                return await server.WithProgressAsync(source, cancellationToken).ConfigureAwait(false);
            }
            catch (WalServerException)
            {
                // It may have gone on all the same, and only let nobody in: what it had not finished then is not known to be lost.
                return server with { LastFinishedSince = ulong.MaxValue };
            }
        }
    }
}
