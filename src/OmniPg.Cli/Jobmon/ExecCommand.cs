using System.CommandLine;
using System.ComponentModel;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class ExecCommand
{
    /// <summary>What shells answer for a program that they cannot start.</summary>
    public const int NotStarted = 127;

    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the job" };

    private static readonly Argument<string[]> Program = new("PROGRAM ARGS") { Description = "Program with its arguments, after --", Arity = ArgumentArity.OneOrMore };

    private static readonly Option<bool> Single = new("--single") { Description = "Skip when another run of that name is at work (exit code 1)" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "exec", "Runs a program as a job: output lines are its progress, its exit code is the outcome and that of this command",
        "omnipg jobmon exec \"nightly import\" -- ./import.sh --full", RunAsync, Name, Program, Single);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        // The program matters more than its log: an unreachable server must not keep it from running.
        await using var jobmon = JobLog.Open(session, ErrorPolicy.LogAndContinue);
        var program = session.Get(Program);
        await using var job = await jobmon.StartAsync(session.Get(Name), new JobOptions { SingleInstance = session.Get(Single) }, cancellationToken);
        if (!job.Acquired)
        {
            session.Error.WriteLine($"omnipg: job '{session.Get(Name)}' is at work already, so nothing was started");
            return ExitCodes.Attention;
        }

        await using var step = await job.StepAsync("Running program: " + program[0], cancellationToken);
        try
        {
            using var run = new ProgramRun(program, session, step);
            var exitCode = await run.RunAsync(job.CancellationToken);
            await EndAsync(job, step, run, exitCode);
            return exitCode;
        }
        catch (Win32Exception error)
        {
            await step.FailAsync(error, CancellationToken.None);
            await job.FailAsync(error, cancellationToken: CancellationToken.None);
            session.Error.WriteLine($"omnipg: program '{program[0]}' could not be started: {error.Message}");
            return NotStarted;
        }
    }

    private static async Task EndAsync(IJob job, IStep step, ProgramRun run, int exitCode)
    {
        var lines = $"Exit code {JobText.Number(exitCode)} after {JobText.Number(run.Lines)} lines of output";
        if (exitCode == 0)
        {
            await step.CompleteAsync(lines);
            await job.CompleteAsync(lines);
        }
        else
        {
            var message = run.LastError is { } last ? $"{lines}: {last}" : lines;
            var failure = new ProgramFailedException(message);
            await step.FailAsync(failure);
            await job.FailAsync(failure);
        }
    }
}
