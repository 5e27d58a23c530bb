using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Receives WAL while the server writes it, like <c>pg_receivewal</c>: over a physical replication slot into a directory, flushed before it is confirmed. In
/// <c>synchronous_standby_names</c> a commit that was acknowledged is never lost, not even together with the server.
/// </summary>
/// <remarks>
/// <para>The directory holds complete segments, the current one as <c>NAME.partial</c>, and histories of timelines; it is an archive to restore from
/// (<see cref="WalRestoreOptions.UsePartial"/> for the newest WAL). After lost connections and storage trouble the receiver tries again, for ever; timelines are followed.</para>
/// <para>WAL that the server has removed before it was received comes from <see cref="WalReceiverOptions.Destinations"/>, where the server's own archiver has put it.</para>
/// <para>Opens connections of its own: one for replication, and for a moment one to the database of the connection string to read the history of a new timeline
/// (before PostgreSQL 15 also the slot). Needs <c>LOGIN REPLICATION</c>, and <c>EXECUTE</c> on <c>pg_read_binary_file(text)</c>; docs/receiver.md has the GRANTs.
/// Because the driver confirms as <em>written</em> what it has only heard of, the guarantee holds for <c>synchronous_commit</c> <c>on</c> and <c>remote_apply</c>, not for <c>remote_write</c>.</para>
/// <para><see cref="Status"/> may be read from any thread; one <see cref="RunAsync"/> at a time.</para>
/// </remarks>
public sealed class WalReceiver
{
    private readonly string _connectionString;
    private readonly WalReceiverOptions _options;
    private readonly ILoggerFactory _logs;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private ReceiveProgress _progress = new();
    private int _isRunning;

    /// <summary>Makes a receiver; nothing is touched yet.</summary>
    /// <param name="connectionString">The server itself, not a pooler. A connection string and no data source, because the driver's replication takes only that.</param>
    /// <param name="options">What to receive; not changed afterwards.</param>
    /// <param name="loggerFactory">Makes the logger; <see langword="null"/> logs nothing.</param>
    /// <param name="timeProvider">Clock of flushes and pauses; <see langword="null"/> means that of the system.</param>
    /// <exception cref="OptionsValidationException">Something cannot work; all of it is named.</exception>
    /// <exception cref="ArgumentException">The connection string cannot be read; its text is not repeated.</exception>
    public WalReceiver(string connectionString, WalReceiverOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(connectionString);
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            _ = new NpgsqlConnectionStringBuilder(connectionString);
        }
        catch (Exception unreadable) when (unreadable is ArgumentException or FormatException or KeyNotFoundException)
        {
            // Neither the text nor the driver's words about it: both may hold a password.
            throw new ArgumentException("The connection string is none that the driver can read.", nameof(connectionString));
        }

        _connectionString = connectionString;
        _options = OptionsCheck.Require(options);
        _logs = loggerFactory ?? NullLoggerFactory.Instance;
        _log = _logs.CreateLogger<WalReceiver>();
        _time = timeProvider ?? TimeProvider.System;
    }

    /// <summary>How far it is.</summary>
    public WalReceiverStatus Status => _progress.ToStatus();

    /// <summary>Receives until cancelled.</summary>
    /// <param name="cancellationToken">Stops: what was received is flushed and stays.</param>
    /// <returns>A task that ends only by an exception.</returns>
    /// <exception cref="WalReceiveException">The server cannot or may not send what comes next, or the directory cannot take it.</exception>
    /// <exception cref="WalLockedException">Another receiver has the directory.</exception>
    /// <exception cref="WalArchiveMismatchException">Directory, server or a destination belong to different clusters.</exception>
    /// <exception cref="WalArchiveAbsentException">A destination was not begun, or its storage is not mounted.</exception>
    /// <exception cref="WalValidationException">The server sent, or the directory holds, what is no WAL of this cluster.</exception>
    /// <exception cref="WalConflictException">The server sends other bytes than before, or a destination holds others.</exception>
    /// <exception cref="WalDeliveryException">A destination can never take a file.</exception>
    /// <exception cref="InvalidOperationException">It runs already.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isRunning, 1) != 0)
            throw new InvalidOperationException("The receiver runs already.");
        _progress = new ReceiveProgress();
        try
        {
            using var files = ReceivedFiles.Open(_options.Directory);
            var run = new Run(this, files);
            await using var ending = run.ConfigureAwait(false);
            await run.ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _progress.State = WalReceiverState.Stopped;
            Volatile.Write(ref _isRunning, 0);
        }
    }

    /// <summary>One run: connections, one after the other, and the delivery beside them.</summary>
    private sealed class Run(WalReceiver receiver, ReceivedFiles files) : IAsyncDisposable
    {
        private readonly WalReceiverOptions _options = receiver._options;
        private readonly ReceiveProgress _progress = receiver._progress;
        private WalArchiver? _archiver;
        private ReceivedDelivery? _delivery;
        private Task _delivering = Task.CompletedTask;
        private PgControlFile? _cluster;

        public async Task ExecuteAsync(CancellationToken cancellationToken)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            try
            {
                var failures = 0;
                while (true)
                {
                    var before = _progress.Received;
                    var trouble = await TryReceiveAsync(stop).ConfigureAwait(false);
                    failures = trouble is null || _progress.Received > before ? 0 : failures + 1;
                    if (trouble is not null)
                        await PauseAsync(trouble, failures, stop.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // What can never be delivered has stopped the run, and says why.
                await _delivering.ConfigureAwait(false);
                throw;
            }
            finally
            {
                await stop.CancelAsync().ConfigureAwait(false);
                await _delivering.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        public async ValueTask DisposeAsync()
        {
            _delivery?.Dispose();
            if (_archiver is not null)
                await _archiver.DisposeAsync().ConfigureAwait(false);
        }

        /// <summary>Receives over one connection.</summary>
        /// <returns>Null when its timeline has ended; else why it broke, when that may pass.</returns>
        private async Task<Exception?> TryReceiveAsync(CancellationTokenSource stop)
        {
            try
            {
                _progress.State = WalReceiverState.Connecting;
                var server = await ReceiveServer.OpenAsync(receiver._connectionString, _options, stop.Token).ConfigureAwait(false);
                await using var closing = server.ConfigureAwait(false);
                if (_cluster is null)
                    await BeginAsync(server, stop).ConfigureAwait(false);
                else if (_cluster.SystemIdentifier != server.Cluster.SystemIdentifier)
                    throw WalArchiveMismatchException.OtherCluster(files.Path, "system identifier", _cluster.SystemIdentifier, server.Cluster.SystemIdentifier);
                using var stream = new ReceiveStream(_options, files, server, _progress, receiver._time, receiver._log)
                {
                    OnComplete = () => _delivery?.Wake(),
                    Fill = _archiver is null ? null : new GapFill(_archiver.Destinations, receiver._log),
                };
                await stream.RunAsync(stop.Token).ConfigureAwait(false);
                return null;
            }
            catch (Exception broken) when (stop.IsCancellationRequested && broken is NpgsqlException or ObjectDisposedException)
            {
                // How the driver says that it was cancelled in the middle of a message.
                throw new OperationCanceledException("The receiver was stopped.", broken, stop.Token);
            }
            catch (Exception error) when (!stop.IsCancellationRequested)
            {
                var told = error is PostgresException refused ? Translate(refused) : error;
                // A cancellation that nobody asked for is a time-out of the driver.
                if (told is WalException { IsTransient: true } or NpgsqlException or TimeoutException or IOException or SocketException or ObjectDisposedException or OperationCanceledException)
                    return told;
                if (ReferenceEquals(told, error))
                    throw;
                throw told;
            }
        }

        // The marker before the slot: a slot without a begun directory would look like storage that is not mounted.
        private async Task BeginAsync(ReceiveServer server, CancellationTokenSource stop)
        {
            var slot = await FindSlotAsync(server, stop.Token).ConfigureAwait(false);
            await files.BindAsync(server.Cluster, _options, slot.Restart, receiver._time.GetUtcNow(), stop.Token).ConfigureAwait(false);
            if (!slot.Exists && await server.TryCreateSlotAsync(stop.Token).ConfigureAwait(false))
                ReceiveLog.CreatedSlot(receiver._log, _options.Slot);
            if (_options.Destinations.Count > 0)
            {
                // Of a try that got only so far, on a server that may have been another one.
                await DisposeAsync().ConfigureAwait(false);
                _archiver = new WalArchiver(_options.ArchiveOptions, receiver._logs, receiver._time) { KnownCluster = server.Cluster, IsLookingAhead = true };
                _delivery = new ReceivedDelivery(_archiver, files, _options, _progress, receiver._time, receiver._log);
                await _delivery.CheckAsync(stop.Token).ConfigureAwait(false);
                _delivering = DeliverAsync(_delivery, stop);
            }

            _cluster = server.Cluster;
        }

        private async Task<(bool Exists, NpgsqlTypes.NpgsqlLogSequenceNumber? Restart)> FindSlotAsync(ReceiveServer server, CancellationToken cancellationToken)
        {
            try
            {
                return (true, (await server.FindSlotAsync(cancellationToken).ConfigureAwait(false))?.Restart);
            }
            catch (WalReceiveException missing) when (_options.CreateSlot && missing.Code == "wal.receive.slot")
            {
                return (false, null);
            }
        }

        // What can never be delivered ends the run: the directory would fill while everybody believes that the archive does.
        private static async Task DeliverAsync(ReceivedDelivery delivery, CancellationTokenSource stop)
        {
            try
            {
                await Task.Yield();
                await delivery.RunAsync(stop.Token).ConfigureAwait(false);
            }
            finally
            {
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }

        private async Task PauseAsync(Exception trouble, int failures, CancellationToken cancellationToken)
        {
            // In this order: who sees that it waits sees why.
            (_progress.LastError, _progress.State) = (trouble, WalReceiverState.Waiting);
            var pause = ReceivedDelivery.PauseAfter(failures, _options.LongestWait);
            ReceiveLog.Interrupted(receiver._log, pause.TotalSeconds, trouble.Message);
            await Task.Delay(pause, receiver._time, cancellationToken).ConfigureAwait(false);
        }

        /// <summary>What the server's refusal means for a receiver; the error itself when it may pass.</summary>
        private Exception Translate(PostgresException error) => error.SqlState switch
        {
            // "requested WAL segment … has already been removed" (XLogReadDetermineTimeline, WalSndSegmentOpen; walsender.c).
            PostgresErrorCodes.UndefinedFile => WalReceiveException.Gap(_progress.Timeline, new(_progress.Received), error.MessageText, error),
            PostgresErrorCodes.UndefinedObject => WalReceiveException.NoSlot(_options.Slot, error),
            PostgresErrorCodes.ObjectNotInPrerequisiteState => WalReceiveException.SlotLost(_options.Slot, error.MessageText, error),
            PostgresErrorCodes.InsufficientPrivilege => WalReceiveException.Refused(error.MessageText, "ALTER ROLE the role REPLICATION.", error),
            PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
                WalReceiveException.Refused(error.MessageText, "Let the role in: a line for 'replication' in pg_hba.conf, LOGIN, and the right password.", error),
            { } state when state.StartsWith("42", StringComparison.Ordinal) || state.StartsWith("0A", StringComparison.Ordinal) =>
                WalReceiveException.Refused(error.MessageText, "Connect to a PostgreSQL server of version 13 or later itself.", error),
            _ => error,
        };
    }
}
