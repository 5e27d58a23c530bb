using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace OmniPg.Extractor;

/// <summary>Runs pg_dump and pg_dumpall and streams what they write.</summary>
/// <remarks>
/// Thread-safe; keep one instance. Time zone, locale and encoding are pinned (<c>PGTZ=UTC</c>, <c>LC_ALL=C</c>), and by <c>PGOPTIONS</c>, ahead of
/// the connection's own options, <c>standard_conforming_strings</c>, <c>quote_all_identifiers</c>, <c>bytea_output</c>, <c>xmlbinary</c> and
/// <c>lc_monetary</c>, and the limits of time are lifted: the text depends on the database only, not on settings of the role. A pooler that refuses start-up options gets none, which is
/// warned of. Standard error is read at all times; passwords go through the environment, never the command line.
/// </remarks>
public sealed class PgDumpRunner
{
    // Settings of pg_dump's session that change its text and that pg_dump itself leaves to roles and databases (setup_connection in pg_dump.c). Options of
    // the client beat ALTER ROLE … SET and ALTER DATABASE … SET (manual, section 20.1.3).
    private const string Pins = "-c standard_conforming_strings=on -c quote_all_identifiers=off -c bytea_output=hex -c xmlbinary=base64 -c lc_monetary=C"
        // pg_dump lifts these limits in its own session, but only behind its first statements, and pg_dumpall never.
        + " -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

    private readonly PgToolLocator _tools;
    private readonly IProcessLauncher _launcher;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;

    /// <summary>Creates a runner.</summary>
    /// <param name="tools">Where the programs are looked for; null for the defaults.</param>
    /// <param name="launcher">Starts them; null for child processes of this one.</param>
    /// <param name="loggerFactory">Takes what happens; null for none.</param>
    /// <param name="timeProvider">Clock for <see cref="PgDumpOptions.MaxBytesPerSecond"/>; null for the system's.</param>
    public PgDumpRunner(
        PgToolOptions? tools = null, IProcessLauncher? launcher = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        _tools = new PgToolLocator(tools);
        _launcher = launcher ?? ExternalProcess.Launcher;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<PgDumpRunner>();
        _time = timeProvider ?? TimeProvider.System;
    }

    /// <summary>Starts pg_dump and reads its archive up to the end of the table of contents.</summary>
    /// <param name="source">The database.</param>
    /// <param name="options">What to dump; null for everything, with data.</param>
    /// <param name="serverVersion">Version of the server, to pick the program that fits best; null takes the newest program.</param>
    /// <param name="copyTo">Takes a copy of the archive as it comes; stays open. Null, the default, for none.</param>
    /// <param name="cancellationToken">Ends pg_dump and throws.</param>
    /// <returns>The running dump; dispose it.</returns>
    /// <exception cref="PgToolNotFoundException">There is no usable pg_dump, or the server is newer.</exception>
    /// <exception cref="PgDumpFailedException">pg_dump failed, for example could not connect, or a table stayed locked.</exception>
    /// <exception cref="OptionsValidationException">Options cannot work: all failures at once.</exception>
    public async Task<PgDumpRun> StartAsync(
        PgDumpSource source, PgDumpOptions? options = null, PgServerVersion? serverVersion = null, Stream? copyTo = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        options = OptionsCheck.Require(options ?? new PgDumpOptions());
        var tool = await _tools.FindPgDumpAsync(serverVersion, cancellationToken).ConfigureAwait(false);
        using var activity = ExtractorTelemetry.Source.StartActivity("extractor.dump");
        var pinned = true;
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var run = await StartOnceAsync(tool, source, options, copyTo, pinned, cancellationToken).ConfigureAwait(false);
                run.WarnOf(serverVersion);
                return run;
            }
            catch (ExtractorException error) when (pinned && PgDumpRun.Failure.RefusesOptions(error))
            {
                pinned = false;
                attempt--;
                ExtractorLog.SessionNotPinned(_logger, source.ToString());
            }
            catch (ExtractorException error) when (attempt < options.Retries && copyTo is null && PgDumpRun.Failure.IsRace(error))
            {
                ExtractorLog.DumpStartsAgain(_logger, tool.Path, error.Message);
            }
            catch (ExtractorException error)
            {
                activity?.SetStatus(ActivityStatusCode.Error, error.Code);
                throw;
            }
        }
    }

    /// <summary>Runs <c>pg_dumpall --roles-only</c>.</summary>
    /// <param name="source">A database of the cluster.</param>
    /// <param name="includePasswords">Whether password hashes are dumped, which needs a superuser. Default false.</param>
    /// <param name="serverVersion">Version of the server, to pick the program that fits best; null takes the newest program.</param>
    /// <param name="cancellationToken">Ends pg_dumpall and throws.</param>
    /// <returns>The script.</returns>
    /// <exception cref="PgToolNotFoundException">There is no usable pg_dumpall, or the server is newer.</exception>
    /// <exception cref="PgDumpFailedException">pg_dumpall failed.</exception>
    public async Task<string> DumpRolesAsync(
        PgDumpSource source, bool includePasswords = false, PgServerVersion? serverVersion = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var tool = await _tools.FindPgDumpAllAsync(serverVersion, cancellationToken).ConfigureAwait(false);
        List<string> arguments = ["--roles-only", "--no-password", "--encoding=UTF8"];
        if (!includePasswords)
            arguments.Add("--no-role-passwords");
        try
        {
            return await DumpRolesAsync(tool, source, arguments, pinned: true, cancellationToken).ConfigureAwait(false);
        }
        catch (ExtractorException error) when (PgDumpRun.Failure.RefusesOptions(error))
        {
            ExtractorLog.SessionNotPinned(_logger, source.ToString());
            return await DumpRolesAsync(tool, source, arguments, pinned: false, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<string> DumpRolesAsync(PgTool tool, PgDumpSource source, List<string> arguments, bool pinned, CancellationToken cancellationToken)
    {
        var command = await CommandAsync(tool, source, new PgDumpOptions(), arguments, new StderrReader(), pinned, cancellationToken).ConfigureAwait(false);
        try
        {
            return await _launcher.RunAsync(command, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
        catch (ExternalProcessException error)
        {
            throw PgDumpRun.Failure.From(tool, error, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task<PgDumpRun> StartOnceAsync(
        PgTool tool, PgDumpSource source, PgDumpOptions options, Stream? copyTo, bool pinned, CancellationToken cancellationToken)
    {
        var stderr = new StderrReader();
        var command = await CommandAsync(tool, source, options, options.ToArguments(), stderr, pinned, cancellationToken).ConfigureAwait(false);
        ExtractorLog.DumpStarts(_logger, tool.Path, tool.Version.ToString(), source.ToString());
        var process = await LaunchAsync(tool, command, cancellationToken).ConfigureAwait(false);
        var run = new PgDumpRun(tool, process, stderr, copyTo, options, _time) { IsPinned = pinned };
        try
        {
            await run.OpenArchiveAsync(null, cancellationToken).ConfigureAwait(false);
            ExtractorLog.TableOfContentsRead(_logger, run.Archive.Entries.Count, run.Archive.Header.Database);
            return run;
        }
        catch
        {
            await run.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    // Before the user's own options, which therefore win.
    private static void Pin(Dictionary<string, string?> variables)
    {
        var own = variables.TryGetValue("PGOPTIONS", out var given) ? given : Environment.GetEnvironmentVariable("PGOPTIONS");
        variables["PGOPTIONS"] = string.IsNullOrEmpty(own) ? Pins : $"{Pins} {own}";
    }

    private async ValueTask<IExternalProcess> LaunchAsync(PgTool tool, ExternalProcessOptions command, CancellationToken cancellationToken)
    {
        try
        {
            return await _launcher.StartAsync(command, cancellationToken).ConfigureAwait(false);
        }
        catch (ExternalProcessException error)
        {
            throw PgDumpRun.Failure.From(tool, error, Timeout.InfiniteTimeSpan);
        }
    }

    private static async ValueTask<ExternalProcessOptions> CommandAsync(
        PgTool tool, PgDumpSource source, PgDumpOptions options, IReadOnlyList<string> arguments, StderrReader stderr, bool pinned, CancellationToken cancellationToken)
    {
        var variables = await source.GetVariablesAsync(cancellationToken).ConfigureAwait(false);
        variables.TryAdd("PGAPPNAME", ExtractorTelemetry.Name);
        // Not fixed by pg_dump itself: timestamps in partition bounds and data would depend on the client's zone.
        variables["PGTZ"] = "UTC";
        if (pinned)
            Pin(variables);
        variables["PGCLIENTENCODING"] = null;
        variables["LC_ALL"] = "C";
        variables["LANGUAGE"] = null;
        if (options.Service is not null)
            variables["PGSERVICE"] = options.Service;
        if (options.PassFile is not null)
            variables["PGPASSFILE"] = options.PassFile;
        return new ExternalProcessOptions { FileName = tool.Path, Arguments = arguments, Environment = variables, OnErrorLine = stderr.Add };
    }
}
