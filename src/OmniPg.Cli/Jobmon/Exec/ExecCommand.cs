using System.CommandLine;
using System.ComponentModel;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class ExecCommand
{
    /// <summary>What shells answer for a program that they cannot find.</summary>
    private const int NotFound = 127;

    /// <summary>What shells answer for a file that they may not execute.</summary>
    private const int NotExecutable = 126;

    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the job" };

    private static readonly Argument<string[]> Program = new("PROGRAM ARGS") { Description = "Program with its arguments, after --", Arity = ArgumentArity.OneOrMore };

    private static readonly Option<bool> Single = new("--single") { Description = "Skip when another run of that name is at work (exit code 1)" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "exec", "Runs a program as a job: output lines are its progress, its exit code is the outcome and that of this command",
        "omnipg jobmon exec \"nightly import\" -- ./import.sh --full", RunAsync, Name, Program, Single);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        // The program matters more than its log: an unreachable server must not keep it from running.
        await using var jobmon = JobLog.OpenForOtherWork(session);
        var (name, program) = (session.NotEmpty(Name), session.Get(Program));
        await using var job = await jobmon.StartAsync(name, new JobOptions { SingleInstance = session.Get(Single) }, cancellationToken);
        if (!job.Acquired)
        {
            // Not the program's exit code, because it has none; a cron job that overlaps its last run is worth a look, no alarm.
            session.Error.WriteLine($"omnipg: job '{name}' is at work already, so nothing was started");
            return ExitCodes.Attention;
        }

        await using var step = await job.StepAsync("Running program: " + program[0], cancellationToken);
        if (ProgramPath.Find(program[0], session.Host.Variable("PATH")) is not { } file)
            return await RefuseAsync(session, job, $"program '{program[0]}' is in no folder of PATH", NotFound);

        // With --json standard output holds one document and nothing else.
        using var run = new ProgramRun(file, program.Skip(1), session.Host, step) { Output = session.Json ? session.Host.ErrorStream : null };
        try
        {
            var exitCode = await run.RunAsync(job.CancellationToken);
            await EndAsync(job, step, run, exitCode);
            if (session.Json)
                WriteJson(session, job, run, exitCode);
            return exitCode;
        }
        catch (Win32Exception error)
        {
            var code = error.NativeErrorCode == 13 ? NotExecutable : NotFound;
            return await RefuseAsync(session, job, $"program '{program[0]}' could not be started: {error.Message}", code);
        }
    }

    private static async Task<int> RefuseAsync(CliSession session, IJob job, string reason, int exitCode)
    {
        await FailAsync(job, reason);
        session.Error.WriteLine("omnipg: " + reason);
        return exitCode;
    }

    private static async Task EndAsync(IJob job, IStep step, ProgramRun run, int exitCode)
    {
        var text = $"Exit code {JobText.Number(exitCode)}{NativeSignals.Suffix(exitCode)} after {JobText.Counted(run.Lines, "line")} of output";
        if (exitCode == 0)
        {
            await step.CompleteAsync(text);
            await job.CompleteAsync();
            return;
        }
        var asked = job.CancellationToken.IsCancellationRequested ? "Cancelled. " : "";
        await FailAsync(job, asked + (run.LastError is { } last ? $"{text}: {last}" : text));
    }

    // The open step gets the reason. There is no exception whose type and stack would tell an operator anything.
    private static async Task FailAsync(IJob job, string reason) => await job.FailAsync("ERROR: " + reason, cancellationToken: CancellationToken.None);

    private static void WriteJson(CliSession session, IJob job, ProgramRun run, int exitCode) => session.WriteJson(json =>
    {
        json.WriteStartObject();
        if (job.JobId is { } id)
            json.WriteNumber("jobId", id);
        else
            json.WriteNull("jobId");
        json.WriteNumber("exitCode", exitCode);
        json.WriteNumber("lines", run.Lines);
        json.WriteEndObject();
    });
}
