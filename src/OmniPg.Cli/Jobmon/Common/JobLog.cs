using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>The job log that a command line means.</summary>
internal static class JobLog
{
    public static readonly Option<string?> Schema = new("--schema")
    {
        Description = "Schema of the job log. Default: the extension's, else jobmon", HelpName = "S", Recursive = true,
    };

    public static readonly Option<string?> SideSchema = new("--side-schema")
    {
        Description = "Schema of its side tables. Default omnipg_jobmon", HelpName = "S", Recursive = true,
    };

    public static readonly Option<LivenessMode> Liveness = new("--liveness")
    {
        Description = "How others see that this process lives: by a session lock and a heartbeat, or by the heartbeat alone behind a pooler. Default auto",
        HelpName = "auto|lock|heartbeat", Recursive = true,
    };

    public static readonly Option<string?> PgCron = new("--pg-cron")
    {
        Description = "Tell of the jobs of pg_cron, too; it lives in this database of the server, or at this connection", HelpName = "DATABASE|STRING",
    };

    /// <summary>A client for the server and schema of this command line; what it cannot write is an error of the command.</summary>
    public static JobmonClient Open(CliSession session) => new JobmonClient(session.DataSource, Options(session, ErrorPolicy.Throw));

    /// <summary>A client for a command that exists for other work: that goes on without the log, and standard error says what is missing there.</summary>
    public static JobmonClient OpenForOtherWork(CliSession session) =>
        new JobmonClient(session.DataSource, Options(session, ErrorPolicy.LogAndContinue), new JobLogMessages(session.Error));

    private static JobmonOptions Options(CliSession session, ErrorPolicy policy)
    {
        var options = new JobmonOptions
        {
            Schema = CliSession.NotEmpty(session.Get(Schema), Schema.Name), Liveness = session.Get(Liveness), ErrorPolicy = policy,
        };
        options.SideSchema = CliSession.NotEmpty(session.Get(SideSchema), SideSchema.Name) ?? options.SideSchema;
        return options;
    }

    /// <summary>Who acknowledges or mutes.</summary>
    public static string Operator => Environment.UserName;

    /// <summary>A client as <see cref="Open"/> makes it that also reads pg_cron, where <see cref="PgCron"/> says so.</summary>
    public static JobmonClient OpenWithPgCron(CliSession session)
    {
        var options = Options(session, ErrorPolicy.Throw);
        if (CliSession.NotEmpty(session.Get(PgCron), PgCron.Name) is { } where)
            (options.PgCron, options.PgCronDataSource) = (true, session.OpenOther(where));
        return new JobmonClient(session.DataSource, options);
    }
}
