using System.Data;
using System.Data.Common;
using Npgsql;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Checks that WAL of a server reaches its archives: settings, rights, clock, room, and a segment that is ended for it and has to arrive, valid, in each of them.</summary>
/// <remarks>Thread-safe; each call is a check. Restore point and switch are written by the role of the connection; a role without the right is told the GRANT.</remarks>
public sealed class ArchiveCheck
{
    private const string RestorePoint = "omnipg check";
    private const int SegmentsOfRoom = 10;
    private const int FirstWithOneOfBoth = 16;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    // What somebody writes who wants archive_mode without an archive.
    private static readonly string[] CommandsForNothing = ["true", "/bin/true", "/usr/bin/true", ":", "exit 0", "cd ."];

    private readonly NpgsqlDataSource _server;
    private readonly IReadOnlyList<IObjectStore> _archives;
    private readonly ArchiveCheckOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Makes checks of one server; nothing is asked yet.</summary>
    /// <param name="server">The server. Not disposed.</param>
    /// <param name="archives">The archives that its <c>archive_command</c> writes to; at least one. Not disposed.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <param name="timeProvider">Clock of waits and the one that the server's is compared with; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    /// <exception cref="ArgumentException">There is no archive.</exception>
    public ArchiveCheck(NpgsqlDataSource server, IReadOnlyList<IObjectStore> archives, ArchiveCheckOptions? options = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(archives);
        if (archives.Count == 0)
            throw new ArgumentException("At least one archive is to be checked.", nameof(archives));
        (_server, _archives, _time) = (server, [.. archives], timeProvider ?? TimeProvider.System);
        _options = OptionsCheck.Require(options ?? new ArchiveCheckOptions());
    }

    /// <summary>Runs one check.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What was found. A server that cannot be reached and an archive that is not there are findings.</returns>
    /// <exception cref="IOException">An archive that could be read can no more be while the segment is waited for.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<ArchiveCheckResult> RunAsync(CancellationToken cancellationToken = default)
    {
        var findings = new List<ArchiveCheckFinding>();
        WalFileName? segment = null;
        TimeSpan? arrival = null;
        ServerState? state = null;
        try
        {
            var connection = await _server.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await using var closing = connection.ConfigureAwait(false);
            var asked = _time.GetUtcNow();
            state = await AskAsync(connection, cancellationToken).ConfigureAwait(false);
            JudgeServer(state, asked, _time.GetUtcNow(), findings);
            await JudgeArchivesAsync(state, findings, cancellationToken).ConfigureAwait(false);
            if (_options.SwitchWal && state is { IsStandby: false } && findings.TrueForAll(f => f.Level < ArchiveCheckLevel.Critical))
            {
                var began = _time.GetTimestamp();
                segment = await SwitchAsync(connection, state, cancellationToken).ConfigureAwait(false);
                if (await ArrivesAsync(connection, state, segment.Value, findings, cancellationToken).ConfigureAwait(false))
                    arrival = _time.GetElapsedTime(began);
            }
        }
        catch (NpgsqlException error)
        {
            findings.Add(Critical("server", $"The server cannot be asked: {error.Message}", "See that it runs, and lets this role in."));
            if (state is null)
                await JudgeArchivesAsync(null, findings, cancellationToken).ConfigureAwait(false);
        }

        return new ArchiveCheckResult([.. findings.OrderByDescending(f => f.Level)], segment, arrival);
    }

    private static async Task<ServerState> AskAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var reader = await ReadAsync(
            connection,
            """
            SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('archive_mode'), pg_catalog.current_setting('archive_command'),
                pg_catalog.current_setting('archive_library', true), pg_catalog.current_setting('wal_level'), pg_catalog.clock_timestamp(),
                c.system_identifier, pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::int,
                pg_catalog.has_function_privilege('pg_catalog.pg_switch_wal()', 'EXECUTE'), pg_catalog.has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'EXECUTE'),
                a.last_failed_wal, a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), a.last_failed_time
            FROM pg_catalog.pg_control_system() c, pg_catalog.pg_stat_archiver a
            """,
            cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        return new ServerState(
            connection.PostgreSqlVersion.Major, reader.GetBoolean(0), reader.GetString(1), reader.GetString(2),
            await reader.IsDBNullAsync(3, cancellationToken).ConfigureAwait(false) ? "" : reader.GetString(3), reader.GetString(4), reader.GetFieldValue<DateTimeOffset>(5),
            (ulong)reader.GetInt64(6), reader.GetInt32(7), reader.GetBoolean(8), reader.GetBoolean(9),
            await reader.IsDBNullAsync(11, cancellationToken).ConfigureAwait(false) || !reader.GetBoolean(11) ? null : $"'{reader.GetString(10)}' at '{reader.GetFieldValue<DateTimeOffset>(12):u}'");
    }

    private void JudgeServer(ServerState state, DateTimeOffset asked, DateTimeOffset answered, List<ArchiveCheckFinding> findings)
    {
        if (state.WalLevel == "minimal")
            findings.Add(Critical("wal_level", "It is 'minimal', whose WAL restores nothing.", "Set wal_level = replica and restart the server."));
        if (state.ArchiveMode == "off")
            findings.Add(Critical("archive_mode", "It is 'off': no WAL is archived.", "Set archive_mode = on and restart the server."));
        else if (state.IsStandby && state.ArchiveMode != "always")
            findings.Add(Warning("archive_mode", $"The server is a standby and does not archive with archive_mode = '{state.ArchiveMode}'.", "Check the primary, or set archive_mode = always here."));
        var hasCommand = state.ArchiveCommand is not ("" or "(disabled)");
        if (state.ArchiveMode != "off" && !hasCommand && state.ArchiveLibrary.Length == 0)
            findings.Add(Critical("archive_command", "It is empty: WAL piles up in pg_wal.", "Set archive_command = 'omnipg-wal archive … %p' and reload the server."));
        // LoadArchiveLibrary (pgarch.c): up to 15 the library is asked and the command is not, since 16 both at once are an error.
        if (hasCommand && state.ArchiveLibrary.Length > 0 && state.PgVersion >= FirstWithOneOfBoth)
            findings.Add(Critical("archive_library", $"Both archive_library '{state.ArchiveLibrary}' and archive_command are set, and so the archiver refuses to work.", "Set one of them to ''."));
        else if (hasCommand && state.ArchiveLibrary.Length > 0)
            findings.Add(Warning("archive_library", $"It is '{state.ArchiveLibrary}', and so archive_command is not asked; from 16 on the archiver refuses to work with both.", "Set the one that is not meant to ''."));
        if (state.ArchiveLibrary.Length == 0 && CommandsForNothing.Contains(state.ArchiveCommand.Trim()))
            findings.Add(Critical("archive_command", $"It is '{state.ArchiveCommand}', which archives nothing and tells the server that it did.", "Set archive_command = 'omnipg-wal archive … %p', then make a base backup: WAL was lost."));
        if (_options.SwitchWal && !state.IsStandby)
        {
            string[] lacking = [.. new[] { (Has: state.MaySwitch, Name: "pg_catalog.pg_switch_wal()"), (Has: state.MayMark, Name: "pg_catalog.pg_create_restore_point(text)") }.Where(f => !f.Has).Select(f => f.Name)];
            if (lacking.Length > 0)
                findings.Add(Critical("privileges", $"The role may not execute {string.Join(", ", lacking)}.", $"GRANT EXECUTE ON FUNCTION {string.Join(", ", lacking)} TO the role; or only look (no switch)."));
        }

        if (state.LastFailure is { } failure)
            findings.Add(Warning("archiver", $"Its last try failed, on {failure}.", "Look into the server's log for what archive_command said."));
        // The server looked at its clock at some moment between: a slow answer is no wrong clock.
        var difference = state.Clock < asked ? asked - state.Clock : state.Clock - answered;
        if (difference > _options.ClockDifference)
            findings.Add(Warning("clock", $"The server's is '{state.Clock:u}', this machine's '{asked:u}'.", "Synchronize both: ages in reports and recovery to a moment depend on them."));
    }

    private async Task JudgeArchivesAsync(ServerState? state, List<ArchiveCheckFinding> findings, CancellationToken cancellationToken)
    {
        foreach (var archive in _archives)
        {
            try
            {
                var presence = await ArchivePresence.BeginAsync(archive, cancellationToken).ConfigureAwait(false);
                await presence.RequireAsync(state?.SystemIdentifier, cancellationToken).ConfigureAwait(false);
                if (await WalArchiveMarker.ReadAsync(archive, cancellationToken).ConfigureAwait(false) is { } marker && state is { } known
                    && (marker.PgVersion, marker.WalSegmentSize) != (known.PgVersion, known.SegmentSize))
                {
                    findings.Add(Critical(
                        archive.Id, $"It is of version '{marker.PgVersion}' and segments of '{marker.WalSegmentSize}' bytes, the server of '{known.PgVersion}' and '{known.SegmentSize}'.",
                        "After an upgrade begin another archive with 'omnipg-wal init' and make a base backup."));
                }
            }
            catch (Exception trouble) when (trouble is OmniPgException or IOException or UnauthorizedAccessException)
            {
                findings.Add(Critical(archive.Id, (trouble as OmniPgException)?.Sentence ?? trouble.Message, (trouble as OmniPgException)?.Hint ?? "See that it is mounted, and that this account may read it."));
                continue;
            }

            if (archive is DirectoryObjectStore { Root: var root })
                JudgeRoom(archive.Id, root, state?.SegmentSize ?? WalSegmentSize.Default.Bytes, findings);
        }
    }

    private void JudgeRoom(string archive, string root, int segmentSize, List<ArchiveCheckFinding> findings)
    {
        var drive = new DriveInfo(root);
        var (free, total) = (drive.AvailableFreeSpace, drive.TotalSize);
        if (free < (long)SegmentsOfRoom * segmentSize)
            findings.Add(Critical(archive, $"Its file system has '{free}' bytes left, not enough for '{SegmentsOfRoom}' segments.", "Make room: 'omnipg-wal backup-cleanup' removes what no backup needs."));
        else if (total > 0 && (double)free / total < _options.FreeSpace)
            findings.Add(Warning(archive, $"Its file system has '{free}' of '{total}' bytes left.", "Make room: 'omnipg-wal backup-cleanup' removes what no backup needs."));
    }

    private static async Task<WalFileName> SwitchAsync(NpgsqlConnection connection, ServerState state, CancellationToken cancellationToken)
    {
        // A server without a change since the last switch would not end a segment.
        var marking = await ReadAsync(connection, "SELECT pg_catalog.pg_create_restore_point($1)", cancellationToken, RestorePoint).ConfigureAwait(false);
        await marking.DisposeAsync().ConfigureAwait(false);
        var reader = await ReadAsync(connection, "SELECT pg_catalog.pg_switch_wal(), pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8)", cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        // The end of the switch record: the last byte before it is in the segment that was ended.
        var end = (ulong)reader.GetFieldValue<NpgsqlLogSequenceNumber>(0);
        return WalFileName.ForLsn(Convert.ToUInt32(reader.GetString(1), 16), new NpgsqlLogSequenceNumber(end - 1), WalSegmentSize.FromBytes(state.SegmentSize));
    }

    /// <summary>Waits until each archive has a valid copy of the segment.</summary>
    private async Task<bool> ArrivesAsync(NpgsqlConnection connection, ServerState state, WalFileName segment, List<ArchiveCheckFinding> findings, CancellationToken cancellationToken)
    {
        var start = segment.StartLsn(WalSegmentSize.FromBytes(state.SegmentSize));
        var wal = new BackupWal(state.SystemIdentifier, state.PgVersion, WalSegmentSize.FromBytes(state.SegmentSize), segment.Timeline, start, start);
        var began = _time.GetTimestamp();
        var all = true;
        foreach (var archive in _archives)
        {
            try
            {
                while (await wal.FirstMissingAsync(archive, cancellationToken).ConfigureAwait(false) is not null)
                {
                    if (_time.GetElapsedTime(began) >= _options.Timeout)
                    {
                        var failure = (await AskAsync(connection, cancellationToken).ConfigureAwait(false)).LastFailure;
                        findings.Add(Critical(
                            archive.Id, $"WAL file '{segment}' did not arrive within '{_options.Timeout}'" + (failure is null ? "." : $"; archiving failed, last on {failure}."),
                            "Look into the server's log for what archive_command says, and whether it writes to this archive."));
                        all = false;
                        break;
                    }

                    await Task.Delay(Pause, _time, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (WalEncryptionException hidden)
            {
                // It has arrived; whether it is valid, nobody can tell who lacks its key.
                findings.Add(Critical(archive.Id, hidden.Sentence, hidden.Hint!));
                all = false;
            }
        }

        return all;
    }

    private static async Task<DbDataReader> ReadAsync(NpgsqlConnection connection, string text, CancellationToken cancellationToken, string? argument = null)
    {
        using var command = new NpgsqlCommand(text, connection);
        if (argument is not null)
            command.Parameters.Add(new() { Value = argument });
        return await command.ExecuteReaderAsync(CommandBehavior.Default, cancellationToken).ConfigureAwait(false);
    }

    private static ArchiveCheckFinding Critical(string subject, string text, string hint) => new(ArchiveCheckLevel.Critical, subject, text, hint);

    private static ArchiveCheckFinding Warning(string subject, string text, string hint) => new(ArchiveCheckLevel.Warning, subject, text, hint);

    private sealed record ServerState(
        int PgVersion, bool IsStandby, string ArchiveMode, string ArchiveCommand, string ArchiveLibrary, string WalLevel, DateTimeOffset Clock, ulong SystemIdentifier, int SegmentSize,
        bool MaySwitch, bool MayMark, string? LastFailure);
}
