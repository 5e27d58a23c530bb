using System.Collections;
using Microsoft.Extensions.Options;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>From the words of the command line to the exit code. The work decides the code; what can be reported of it does not.</summary>
internal static class Program
{
    public static Task<int> Main(string[] words)
    {
        StandardDescriptors.HoldClosed();
        AppDomain.CurrentDomain.UnhandledException += (_, _) => Environment.Exit(LastResort(words));
        return RunAsync(words);
    }

    private static async Task<int> RunAsync(string[] words)
    {
        using var context = new ProgramContext();
        try
        {
            if (words is ["--debug", ..])
            {
                Dump(words, context);
                words = words[1..];
            }

            var exitCode = await ChooseAsync(words, context);
            context.Output.Flush();
            return exitCode;
        }
        catch (OutputLostException lost)
        {
            return Refuse(context, lost.Message, ExitCodes.DestinationFailed);
        }
    }

    /// <summary>The exit code when nothing is left that could find out more: never one that PostgreSQL takes for success or, in a recovery, for absence.</summary>
    private static int LastResort(string[] words) =>
        words is [var name, ..] && VerbTable.Find(name) is RestoreVerb ? RestoreVerb.CodeOfTrouble(null) : ExitCodes.DestinationFailed;

    private static Task<int> ChooseAsync(string[] words, ProgramContext context)
    {
        if (words.Length == 0 || words[0] is "--help" or "-?" or "help")
            return Task.FromResult(PrintHelp(words, context));
        if (words[0] is "--version" or "-V")
            return Task.FromResult(Print(context.Output, ProgramVersion.Of("omnipg-wal") + "\n", ExitCodes.Done));
        return VerbTable.Find(words[0]) is { } verb
            ? RunAsync(verb, words[1..], context)
            : Task.FromResult(Refuse(
                context, $"The verb '{words[0]}' is not known.{EditDistance.Question(words[0], VerbTable.Visible.Select(v => v.Name))} Hint: omnipg-wal --help", ExitCodes.WrongUse));
    }

    private static async Task<int> RunAsync(Verb verb, string[] words, ProgramContext context)
    {
        using var signals = new StopSignals();
        Arguments? arguments = null;
        try
        {
            if (Array.Exists(words, w => w is "--help" or "-?"))
                return Print(context.Output, verb.Help, ExitCodes.Done);
            if (words is ["--version" or "-V"])
                return Print(context.Output, ProgramVersion.Of("omnipg-wal") + "\n", ExitCodes.Done);
            arguments = Arguments.Parse(words, verb.AllOptions, CommonOptions.ConfigFile);
            StartLogging(verb, words, arguments, context);
            using var single = arguments.Get(CommonOptions.PidFile) is { } path ? PidFile.Hold(path) : null;
            return await verb.RunAsync(arguments, context, signals.Token);
        }
        catch (OperationCanceledException) when (signals.ExitCode != 0)
        {
            return signals.ExitCode;
        }
        catch (Exception e) when (e is not OutputLostException)
        {
            var message = e switch
            {
                UsageException => $"{e.Message} Hint: omnipg-wal {verb.Name} --help",
                OptionsValidationException options => string.Join(' ', options.Failures),
                ArgumentException { ParamName: not null } argument => ArgumentText.Of(argument),
                // What no text can hold arrives as this character, and the file of that name is not the one that was meant.
                _ when Array.Exists(words, w => w.Contains('\uFFFD', StringComparison.Ordinal)) => $"{e.Message} A word of the command line holds bytes that are not UTF-8, so no path can be named by it.",
                _ => e.Message,
            };
            ProgramLog.Failed(context.Logs.CreateLogger(verb.Name), message, e is OmniPgException or UsageException or ArgumentException or OptionsValidationException ? null : e);
            return signals.ExitCode != 0 ? signals.ExitCode : verb.ExitCodeOf(arguments, e);
        }
    }

    private static void StartLogging(Verb verb, string[] words, Arguments arguments, ProgramContext context)
    {
        var verbose = arguments.Has(CommonOptions.Verbose);
        if (arguments.Get(CommonOptions.Log) is { } template)
        {
            var output = template == "-" ? GuardedStream.Results() : null;
            var options = new OmniPitrLogFile.Options { PathTemplate = template, ProgramName = verb.LogName, Verbose = verbose, StandardOutput = output };
            context.LogTo(new OmniPitrLogFile(options, context.Time));
        }
        else if (verbose)
        {
            context.LogTo(new StderrLoggerProvider(context.Error, verbose: true));
        }

        if (verbose)
            ProgramLog.Called(context.Logs.CreateLogger(verb.Name), string.Join(' ', words.Select(SecretMask.Word)));
    }

    private static int PrintHelp(string[] words, ProgramContext context)
    {
        if (words is ["help", var name] && VerbTable.Find(name) is { } verb)
            return Print(context.Output, verb.Help, ExitCodes.Done);
        var text = HelpText.ForProgram(VerbTable.Visible.Select(v => (v.Name, v.Summary)));
        // A setting of the server that lost its words must not pass for success.
        return words.Length == 0 ? Print(context.Error, text, ExitCodes.WrongUse) : Print(context.Output, text, ExitCodes.Done);
    }

    private static int Print(TextWriter target, string text, int exitCode)
    {
        target.Write(text);
        return exitCode;
    }

    private static int Refuse(ProgramContext context, string message, int exitCode)
    {
        StderrLoggerProvider.Write(context.Error, message);
        return exitCode;
    }

    private static void Dump(string[] words, ProgramContext context)
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            context.Error.WriteLine($"{variable.Key}={SecretMask.Variable((string)variable.Key, (string?)variable.Value ?? "")}");
        for (var i = 0; i < words.Length; i++)
            context.Error.WriteLine($"argument {i}: {SecretMask.Word(words[i])}");
    }
}
