using System.Globalization;

namespace OmniPg.Wal.Cli;

/// <summary>Looks at the archiving of a server, and tells monitoring in its own words. The original's <c>omnipitr-monitor</c>.</summary>
internal sealed class MonitorVerb : Verb
{
    private static readonly Option Checks = Option.Many("--check", "NAME", "server, repository, archiver, backlog, backlog-age, gaps, rpo, rpo-bytes, slot-lag or last-full-backup-age (default: all that there is a source for); of logs one of " + LogCheck.Names, "-c");
    private static readonly Option Logs = Option.Many("--log", "TEMPLATE", "for the checks of OmniPITR's logs: a log, ^Y ^m ^d … are time", "-l");
    private static readonly Option StateDirectory = Option.Value("--state-dir", "DIR", "for the same: where it is remembered what has been read");
    private static readonly Option From = Option.Value("--from", "WHEN", "for the check errors: 'YYYY-MM-DD HH:MM:SS', local time, or seconds back (default: since the last call)");
    private static readonly Option Slot = Option.Value("--slot", "NAME", "replication slot of the receiver, whose confirmed WAL counts as safe");
    private static readonly Option Receiver = Option.Value("--receiver", "DIR", "directory of that receiver, where --archive is one of its destinations: what lies there is on its way, not lost");
    private static readonly Option Warning = Option.Many("--warning", "[NAME=]N", "value of a check above which it is a warning, in seconds, bytes or files", "-w");
    private static readonly Option Critical = Option.Many("--critical", "[NAME=]N", "value of a check above which it is critical");
    private static readonly Option Timeout = Option.Value("--timeout", "SEC", "how long the server, and each store, may take to answer (default 30)");
    private static readonly Option Format = Option.Value("--format", "WORD", "plain (default), nagios, prometheus or json");

    public override string Name => "monitor";

    public override string Summary => "look at archiving from the truth: what would be lost now, what waits, what is missing, how old the last backup is";

    public override string Example => "omnipg-wal monitor --connection 'Host=db1;Username=monitor' --archive /mnt/archive --source /mnt/backup --format nagios";

    public override IReadOnlyList<Option> Options { get; } =
        [Checks, BackupOptions.Connection, BackupOptions.Archive, BackupOptions.Source, Slot, Receiver, Warning, Critical, Timeout, Format, Logs, StateDirectory, From, .. StoreOptions.All];

    // Its codes are those of monitoring plugins, whatever the format.
    protected override int UsageCode => NagiosLine.Unknown;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        return await (arguments.Get(Format) == "nagios" ? NagiosLine.GuardAsync(context, () => LookAsync(arguments, context, cancellationToken)) : LookAsync(arguments, context, cancellationToken));
    }

    private static async Task<int> LookAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        if (arguments.All(Checks).Any(LogCheck.IsKnown) || arguments.Has(Logs) || arguments.Has(StateDirectory) || arguments.Has(From))
            return await LookIntoLogsAsync(arguments, context, cancellationToken);
        var format = arguments.Choice<Func<WalMonitorResult, string>>(
            Format, MonitorText.Plain, ("plain", MonitorText.Plain), ("nagios", MonitorText.Nagios), ("prometheus", MonitorText.Prometheus), ("json", MonitorText.Json));
        var options = Read(arguments);
        var archive = BackupOptions.OpenIfGiven(arguments, BackupOptions.Archive, context);
        var backups = BackupOptions.OpenIfGiven(arguments, BackupOptions.Source, context);
        // Without one the stores alone are looked at.
        await using var server = archive is null && backups is null ? BackupOptions.Connect(arguments) : BackupOptions.ConnectIfGiven(arguments);
        var result = await new WalMonitor(server, archive, backups, options, context.Logs, context.Time).RunAsync(cancellationToken);
        await context.Output.WriteLineAsync(format(result));
        return (int)result.Worst;
    }

    private static async Task<int> LookIntoLogsAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        if (arguments.All(Checks) is not [var name] || !LogCheck.IsKnown(name))
            throw new UsageException($"Logs are for one check alone, one of {LogCheck.Names}.");
        var check = new LogCheck(name, arguments.Choice(Format, "plain", ("plain", "plain"), ("nagios", "nagios"), ("json", "json")), ReadLimit(arguments, Warning, name), ReadLimit(arguments, Critical, name))
        {
            From = arguments.Get(From),
        };
        arguments.Require(Logs);
        await using var server = check.NeedsServer ? BackupOptions.Connect(arguments) : null;
        return await check.RunAsync(arguments.All(Logs), Path.GetFullPath(arguments.Require(StateDirectory)), server, context, cancellationToken);
    }

    private static double? ReadLimit(Arguments arguments, Option option, string check)
    {
        if (arguments.Get(option) is not { } text)
            return null;
        var at = text.IndexOf('=', StringComparison.Ordinal);
        return (at < 0 || text[..at] == check) && double.TryParse(text.AsSpan(at + 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new UsageException($"The option {option.Name} wants a number, not '{OneLine.Of(text)}'.");
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => NagiosLine.Unknown;

    private static WalMonitorOptions Read(Arguments arguments)
    {
        WalCheck[] checks = [.. arguments.All(Checks).Select(CheckOf)];
        var limits = new Dictionary<WalCheck, WalThreshold>();
        foreach (var (check, value) in arguments.All(Warning).Select(text => LimitOf(Warning, text, checks)))
            limits[check] = (limits.GetValueOrDefault(check) ?? new(null, null)) with { Warning = value };
        foreach (var (check, value) in arguments.All(Critical).Select(text => LimitOf(Critical, text, checks)))
            limits[check] = (limits.GetValueOrDefault(check) ?? new(null, null)) with { Critical = value };
        var options = new WalMonitorOptions { Checks = checks.Length > 0 ? checks : null, Slot = arguments.Get(Slot), ReceiverDirectory = arguments.Get(Receiver), Thresholds = limits };
        options.Timeout = arguments.Seconds(Timeout) ?? options.Timeout;
        return options;
    }

    // As the original: case does not count, and '-' and '_' are the same.
    private static WalCheck CheckOf(string name)
    {
        var plain = name.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal);
        foreach (var check in Enum.GetValues<WalCheck>())
        {
            if (check.ToString().Equals(plain, StringComparison.OrdinalIgnoreCase))
                return check;
        }

        throw new UsageException($"The check '{OneLine.Of(name)}' is not known: {Checks.Help}.");
    }

    private static (WalCheck Check, double Value) LimitOf(Option option, string text, WalCheck[] checks)
    {
        var at = text.IndexOf('=', StringComparison.Ordinal);
        if (at < 0 && checks.Length != 1)
            throw new UsageException($"The option {option.Name} '{OneLine.Of(text)}' needs the name of its check, as in {option.Name} rpo=900, unless exactly one is given.");
        return double.TryParse(text.AsSpan(at + 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            ? (at < 0 ? checks[0] : CheckOf(text[..at]), value)
            : throw new UsageException($"The option {option.Name} wants a number, not '{OneLine.Of(text[(at + 1)..])}'.");
    }
}
