using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class AdoptCommand
{
    private static readonly Argument<string> Table = new("TABLE") { Description = "A table with partitions, or one that others inherit from; without a schema it is in public" };

    private static readonly Option<string?> Control = new("--control") { Description = "The column that the checks of tables that inherit are about. Default: the one they have in common", HelpName = "COL" };

    private static readonly Option<string?> Interval = new("--interval") { Description = "Length of new partitions: an interval, or a number of ids. Default: that of the newest ones", HelpName = "I" };

    private static readonly Option<string?> TimeZone = new("--time-zone") { Description = "Zone whose midnights are boundaries. Default: found out", HelpName = "TZ" };

    private static readonly Option<int?> Premake = new("--premake") { Description = "Partitions kept ready ahead. Default 4", HelpName = "N" };

    private static readonly Option<string?> Retention = new("--retention") { Description = "Age, or distance from the newest id, at which partitions retire. Default never", HelpName = "I" };

    private static readonly Option<string?> WhenExpired = new("--when-expired") { Description = "What becomes of them then. Default: as a row of pg_partman 4 says, else detach", HelpName = "detach|drop|move:SCHEMA|archive:DIR|archive:s3://BUCKET/PREFIX" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "adopt", "Makes a set of a table that has partitions already, or that others inherit from", "omnipg partman adopt app.events --plan", RunAsync,
        Table, Control, Interval, TimeZone, Premake, Retention, WhenExpired, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var options = new AdoptionOptions
        {
            Control = CliSession.NotEmpty(session.Get(Control), Control.Name),
            TimeZone = CliSession.NotEmpty(session.Get(TimeZone), TimeZone.Name),
            Premake = session.Get(Premake),
        };
        if (session.Get(Interval) is { } interval)
        {
            if (long.TryParse(interval, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var ids))
                options.IdInterval = ids;
            else
                options.Interval = CliSession.Interval(interval, Interval.Name);
        }
        if (session.Get(Retention) is { } retention)
        {
            if (long.TryParse(retention, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var ids))
                options.IdRetention = ids;
            else
                options.Retention = CliSession.Interval(retention, Retention.Name);
        }
        string? archive = null;
        if (session.Get(WhenExpired) is { } expired)
            (options.WhenExpired, options.RetentionSchema, archive) = CreateSetCommand.Expired(expired);
        if (session.Get(PartmanCommands.Plan) && session.Json)
            throw new UsageException("--plan prints SQL, so --json does not go with it.");
        var partman = PartmanCommands.Open(session, archive);
        var isPlan = session.Get(PartmanCommands.Plan);
        var adoption = isPlan ? await partman.PlanAdoptionAsync(table, options, cancellationToken) : await partman.AdoptAsync(table, options, cancellationToken);
        if (isPlan)
        {
            session.Out.Write(adoption.Sql.ToSqlScript());
        }
        else
        {
            var step = adoption.Set.Interval?.ToString() ?? adoption.Set.IdInterval?.ToString(CultureInfo.InvariantCulture);
            session.WriteResult($"'{table}' is a set by '{adoption.Set.Control}' in steps of {step} with {JobText.Counted(adoption.Partitions.Count, "partition")}", json =>
            {
                json.WriteString("table", table.ToString());
                json.WriteString("kind", adoption.Kind.ToString().ToLowerInvariant());
                json.WriteString("control", adoption.Set.Control);
                json.WriteString("interval", step);
                json.WriteNumber("partitions", adoption.Partitions.Count);
            });
        }
        foreach (var note in adoption.Notes)
            session.Error.WriteLine("note: " + note);
        return ExitCodes.Done;
    }
}
