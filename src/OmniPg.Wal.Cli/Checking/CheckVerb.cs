namespace OmniPg.Wal.Cli;

/// <summary>Whether WAL of a server reaches its archives, by ending a segment and waiting for it.</summary>
internal sealed class CheckVerb : Verb
{
    private static readonly Option Archives = Option.Many("--archive", "PLACE", "an archive that archive_command writes to: a directory, s3://… or azure://…", "-a");
    private static readonly Option Timeout = Option.Value("--timeout", "SEC", "how long the segment may take to arrive (default 60)");
    private static readonly Option Look = Option.Flag("--no-switch", "only look: end no segment");
    private static readonly Option Format = Option.Value("--format", "WORD", "plain (default), nagios or json");

    public override string Name => "check";

    public override string Summary => "check that archiving works: settings, rights, clock, room, and a segment that has to arrive in each archive";

    public override string Example => "omnipg-wal check --connection 'Host=/run/postgresql;Username=postgres' --archive /mnt/archive --format nagios";

    public override IReadOnlyList<Option> Options { get; } = [BackupOptions.Connection, Archives, Timeout, Look, Format, .. StoreOptions.All];

    // Its codes are those of monitoring plugins, whatever the format.
    protected override int UsageCode => NagiosLine.Unknown;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var format = arguments.Choice(Format, "plain", ("plain", "plain"), ("nagios", "nagios"), ("json", "json"));
        return await (format == "nagios" ? NagiosLine.GuardAsync(context, () => CheckAsync(format, arguments, context, cancellationToken)) : CheckAsync(format, arguments, context, cancellationToken));
    }

    private static async Task<int> CheckAsync(string format, Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.Require(Archives);
        var options = new ArchiveCheckOptions { SwitchWal = !arguments.Has(Look) };
        options.Timeout = arguments.Seconds(Timeout) ?? options.Timeout;
        IObjectStore[] archives = [.. arguments.All(Archives).Select(place => StoreOptions.Open(BackupOptions.PlaceOf(place), arguments, context.Logs))];
        await using var server = BackupOptions.Connect(arguments);
        var result = await new ArchiveCheck(server, archives, options, context.Time).RunAsync(cancellationToken);
        if (format == "json")
            WriteJson(context, result);
        else
            await context.Output.WriteLineAsync(format == "nagios" ? Nagios(result) : Plain(result));
        return (int)result.Worst;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => NagiosLine.Unknown;

    private static string Good(ArchiveCheckResult result) => result.Segment is { } segment ? $"'{segment}' arrived in every archive" : "all is as it should be";

    private static string Nagios(ArchiveCheckResult result) => NagiosLine.Of(
        (int)result.Worst,
        result.Findings is [var first, ..] ? $"{first.Subject}: {first.Text}{(result.Findings.Count > 1 ? $" and {result.Findings.Count - 1} more" : "")}" : Good(result),
        ("arrival", result.Arrival?.TotalSeconds, "s"),
        ("findings", result.Findings.Count, ""));

    private static string Plain(ArchiveCheckResult result) => result.Findings.Count == 0
        ? "ok: " + Good(result)
        : string.Join('\n', result.Findings.Select(f => $"{(f.Level == ArchiveCheckLevel.Critical ? "CRITICAL" : "WARNING")}: {OneLine.Of(f.Subject)}: {OneLine.Of(f.Text)}\n  next: {OneLine.Of(f.Hint)}"));

    private static void WriteJson(ProgramContext context, ArchiveCheckResult result) => JsonDocumentWriter.Write(context, json =>
    {
        json.WriteString("worst", result.Worst switch { ArchiveCheckLevel.Ok => "ok", ArchiveCheckLevel.Warning => "warning", _ => "critical" });
        json.WriteString("segment", result.Segment?.ToString());
        if (result.Arrival is { } arrival)
            json.WriteNumber("arrivalSeconds", Math.Round(arrival.TotalSeconds, 3));
        else
            json.WriteNull("arrivalSeconds");
        json.WriteStartArray("findings");
        foreach (var finding in result.Findings)
        {
            json.WriteStartObject();
            json.WriteString("level", finding.Level == ArchiveCheckLevel.Critical ? "critical" : "warning");
            json.WriteString("subject", finding.Subject);
            json.WriteString("text", finding.Text);
            json.WriteString("hint", finding.Hint);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });
}
