using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class InstallCommand
{
    private static readonly Option<bool> Script = new("--script") { Description = "Print the SQL that would run, and change nothing" };

    private static readonly Option<string?> Grant = new("--grant") { Description = "Print the least rights on the log of this server for a role, as SQL", HelpName = "ROLE" };

    private static readonly Option<JobmonAccess> Access = new("--access")
    {
        Description = "What the role of --grant may do", HelpName = "read|write|manage", DefaultValueFactory = _ => JobmonAccess.Write,
    };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "install", "Installs the job log, or only its side tables beside the extension pg_jobmon; may be repeated",
        "omnipg jobmon install --schema jobmon", RunAsync, Script, Grant, Access);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Json && (session.Get(Script) || session.Get(Grant) is not null))
            throw new UsageException("--script and --grant print SQL, so --json does not go with them.");
        if (session.Get(Script) && session.Has(Grant))
            throw new UsageException("--script and --grant are two questions: ask one at a time.");
        if (session.Has(Access) && !session.Has(Grant))
            throw new UsageException("--access goes with --grant.");
        await using var jobmon = JobLog.Open(session);
        var options = new InstallOptions { Schema = session.Get(JobLog.Schema) };
        if (CliSession.NotEmpty(session.Get(Grant), Grant.Name) is { } role)
        {
            session.Out.Write(await jobmon.Admin.GrantScriptAsync(role, session.Get(Access), cancellationToken));
            return ExitCodes.Done;
        }
        if (session.Get(Script))
        {
            session.Out.Write(jobmon.Admin.InstallPlan(options).ToSqlScript());
            return ExitCodes.Done;
        }

        var result = await jobmon.Admin.InstallAsync(options, cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("mode", result.Mode.ToString());
                json.WriteString("schema", result.Schema.Value);
                json.WriteString("sideSchema", result.SideSchema.Value);
                json.WriteBoolean("alreadyInstalled", result.AlreadyInstalled);
                json.WriteBoolean("upgraded", result.Upgraded);
                json.WriteString("sqlAutonomy", result.SqlIsAutonomous ? "Dblink" : "None");
                json.WriteString("whyNotAutonomous", result.WhyNotAutonomous);
                json.WriteEndObject();
            });
        }
        else
        {
            session.Out.WriteLine($"{(result.Upgraded ? "Upgraded" : result.AlreadyInstalled ? "Already installed" : "Installed")}: job log in schema {result.Schema}"
                + $" ({(result.Mode == JobmonMode.Extension ? "extension pg_jobmon" : "own")}), side tables in {result.SideSchema}");
        }
        if (!result.SqlIsAutonomous)
            session.Error.WriteLine($"note: functions called from SQL log inside their caller's transaction, because {result.WhyNotAutonomous}");
        return ExitCodes.Done;
    }
}
