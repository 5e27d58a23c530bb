using System.Globalization;
using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>Restores a backup into scratch, replays, checks, reports and removes it: the proof that there is a backup.</summary>
internal sealed class DrillVerb : Verb
{
    private static readonly Option Check = Option.Many("--check", "WORD", "amcheck: a finding where the server lacks it; rows; none (default: rows, and amcheck where the server has it)");
    private static readonly Option Sql = Option.Many("--sql", "FILE", "SQL that must return no row");
    private static readonly Option Database = Option.Value("--database", "NAME", "database of --sql (default postgres)");
    private static readonly Option User = Option.Value("--user", "NAME", "a superuser of the cluster (default postgres)", "-U");
    private static readonly Option Setting = Option.Many("--setting", "NAME=VALUE", "setting of the copy's server, such as shared_buffers=1GB");
    private static readonly Option Bin = Option.Value("--pg-bin", "DIR", "folder of the server's programs (default: OMNIPG_PGBIN, the usual places and PATH)");
    private static readonly Option Scratch = Option.Value("--scratch", "DIR", "folder with room for the cluster (default: TMPDIR)");
    private static readonly Option Keep = Option.Flag("--keep", "leave the copy in its folder, stopped");
    private static readonly Option Format = Option.Value("--format", "WORD", "plain (default), nagios or json");

    public override string Name => "drill";

    public override string Summary => "prove a backup by restoring it into scratch: moment reached, seconds per phase, what is lost, what checks find";

    public override string Example => "omnipg-wal drill --source /mnt/backup --archive /mnt/archive --sql /etc/omnipg/no-orphans.sql --database app --format nagios";

    public override IReadOnlyList<Option> Options { get; } =
    [
        BackupOptions.Source, BackupOptions.Archive, RecoveryOptions.Backup, .. RecoveryOptions.Targets, RecoveryOptions.Command, Check, Sql, Database, User, Setting, Bin, Scratch, Keep,
        Format, .. StoreOptions.All,
    ];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var format = arguments.Choice(Format, "plain", ("plain", "plain"), ("nagios", "nagios"), ("json", "json"));
        return await (format == "nagios" ? NagiosLine.GuardAsync(context, () => DrillAsync(format, arguments, context, cancellationToken)) : DrillAsync(format, arguments, context, cancellationToken));
    }

    private static async Task<int> DrillAsync(string format, Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        var options = Read(arguments);
        var drill = new RestoreDrill(
            BackupOptions.Open(arguments, BackupOptions.Source, context), BackupOptions.OpenIfGiven(arguments, BackupOptions.Archive, context), options, context.Logs, context.Time);
        RestoreDrillResult result;
        using (var progress = ProgressLine.Start(context))
            result = await drill.RunAsync(progress, cancellationToken);

        if (format == "json")
            JsonDocumentWriter.Write(context, json => WriteJson(json, result));
        else
            await context.Output.WriteLineAsync(format == "nagios" ? Nagios(result) : Plain(result));
        return CodeOf(result);
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) =>
        BackupOptions.ExitCodeOf(error) == ExitCodes.WrongUse && arguments?.Get(Format) != "nagios" ? ExitCodes.WrongUse : NagiosLine.Unknown;

    private static int CodeOf(RestoreDrillResult result) => result.Verdict switch
    {
        RestoreDrillVerdict.Clean => NagiosLine.Ok,
        RestoreDrillVerdict.Findings => NagiosLine.Warning,
        _ => NagiosLine.Critical,
    };

    private static RestoreDrillOptions Read(Arguments arguments)
    {
        var checks = arguments.All(Check);
        if (checks.FirstOrDefault(c => c is not ("amcheck" or "rows" or "none")) is { } unknown)
            throw new UsageException($"The option {Check.Name} wants one of amcheck, rows, none, not '{OneLine.Of(unknown)}'.");
        var options = new RestoreDrillOptions
        {
            BackupId = RecoveryOptions.BackupOf(arguments),
            Target = RecoveryOptions.TargetOf(arguments),
            RestoreCommand = RecoveryOptions.CommandOf(arguments),
            BinDirectory = arguments.Get(Bin) ?? BackupOptions.ProgramFolder,
            Keep = arguments.Has(Keep),
            SqlFiles = arguments.All(Sql),
            RequireAmcheck = checks.Contains("amcheck"),
            Settings = arguments.All(Setting).Select(Pair).ToDictionary(p => p.Name, p => p.Value),
        };
        options.ScratchDirectory = arguments.Get(Scratch) ?? options.ScratchDirectory;
        options.Database = arguments.Get(Database) ?? options.Database;
        options.User = arguments.Get(User) ?? options.User;
        if (checks.Count > 0)
            options.Checks = (checks.Contains("rows") ? RestoreDrillChecks.Rows : 0) | (checks.Contains("amcheck") ? RestoreDrillChecks.Amcheck : 0);
        return options;
    }

    private static (string Name, string Value) Pair(string text) => text.IndexOf('=', StringComparison.Ordinal) is > 0 and var at
        ? (text[..at], text[(at + 1)..])
        : throw RecoveryOptions.Wrong(Setting, text, "NAME=VALUE");

    private static string Plain(RestoreDrillResult result)
    {
        var text = new List<string>
        {
            result.Verdict switch
            {
                RestoreDrillVerdict.Clean => "clean: the target was reached and the checks found nothing",
                RestoreDrillVerdict.Findings => $"found: the target was reached, the checks found {result.Findings.Count} faults",
                _ => $"NOT REACHED: {OneLine.Of(result.Reason ?? "")}",
            },
        };
        if (result.Backup is { } backup)
            text.Add($"backup {BackupListing.Line(backup)}");
        if (result.ReachedTime is { } reached)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"reached: {ListingJson.Text(reached)} at {result.ReachedLsn} on timeline {result.Timeline}, {result.Age!.Value.TotalSeconds:0} s before the drill"));
        text.Add(string.Create(CultureInfo.InvariantCulture, $"seconds: restore {result.Restore.TotalSeconds:0.0}, replay {result.Replay.TotalSeconds:0.0}, checks {result.Checks.TotalSeconds:0.0}"));
        text.Add(string.Create(CultureInfo.InvariantCulture, $"lost of the archive: {result.Lost?.TotalSeconds ?? 0:0.0} s, {result.LostTransactions} transactions, {result.LostRows} rows"));
        text.Add(string.Create(CultureInfo.InvariantCulture, $"read: {result.Rows} rows of {result.Tables} tables, {result.Amchecked} relations by amcheck"));
        text.AddRange(result.Findings.Select(f => $"{f.Check}{(f.Database.Length > 0 ? $" in database '{OneLine.Of(f.Database)}'" : "")}{(f.Subject.Length > 0 ? $", {OneLine.Of(f.Subject)}" : "")}: {OneLine.Of(f.Text)}"));
        if (result.KeptIn is { } folder)
            text.Add($"kept in '{OneLine.Of(folder)}'");
        return string.Join('\n', text);
    }

    private static string Nagios(RestoreDrillResult result)
    {
        var what = result.Verdict switch
        {
            RestoreDrillVerdict.Clean => $"backup {result.Backup!.Id} restored to {ListingJson.Text(result.ReachedTime!.Value)}",
            RestoreDrillVerdict.Findings => $"{result.Findings.Count} findings, the first: {result.Findings[0].Check} {result.Findings[0].Database} {result.Findings[0].Subject}: {result.Findings[0].Text}",
            _ => result.Reason ?? "",
        };
        return NagiosLine.Of(
            CodeOf(result),
            what,
            ("restore", result.Restore.TotalSeconds, "s"),
            ("replay", result.Replay.TotalSeconds, "s"),
            ("checks", result.Checks.TotalSeconds, "s"),
            ("age", result.Age?.TotalSeconds, "s"),
            ("lost", result.Lost?.TotalSeconds, "s"),
            ("lost_transactions", result.LostTransactions, ""),
            ("lost_rows", result.LostRows, ""),
            ("findings", result.Findings.Count, ""));
    }

    private static void WriteJson(Utf8JsonWriter json, RestoreDrillResult result)
    {
        json.WriteString("verdict", result.Verdict switch { RestoreDrillVerdict.Clean => "clean", RestoreDrillVerdict.Findings => "findings", _ => "not-reached" });
        json.WriteString("reason", result.Reason);
        json.WriteString("backup", result.Backup?.Id);
        json.WriteString("target", result.Target.ToString());
        ListingJson.WriteTime(json, "began", result.Began);
        ListingJson.WriteTime(json, "reachedTime", result.ReachedTime);
        json.WriteString("reachedLsn", result.ReachedLsn?.ToString());
        ListingJson.WriteNumber(json, "timeline", result.Timeline);
        json.WriteStartObject("seconds");
        ListingJson.WriteNumber(json, "restore", result.Restore.TotalSeconds);
        ListingJson.WriteNumber(json, "replay", result.Replay.TotalSeconds);
        ListingJson.WriteNumber(json, "checks", result.Checks.TotalSeconds);
        json.WriteEndObject();
        ListingJson.WriteNumber(json, "ageSeconds", result.Age?.TotalSeconds);
        ListingJson.WriteNumber(json, "lostSeconds", result.Lost?.TotalSeconds);
        json.WriteNumber("lostTransactions", result.LostTransactions);
        json.WriteNumber("lostRows", result.LostRows);
        json.WriteNumber("tables", result.Tables);
        json.WriteNumber("rows", result.Rows);
        json.WriteNumber("amchecked", result.Amchecked);
        json.WriteStartArray("findings");
        foreach (var finding in result.Findings)
        {
            json.WriteStartObject();
            json.WriteString("check", finding.Check);
            json.WriteString("database", finding.Database);
            json.WriteString("subject", finding.Subject);
            json.WriteString("text", finding.Text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("keptIn", result.KeptIn);
    }
}
