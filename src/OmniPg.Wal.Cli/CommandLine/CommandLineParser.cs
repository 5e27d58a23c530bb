using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>Turns words into <see cref="Arguments"/> by a table of options. No reflection, no patterns: it runs before every segment.</summary>
internal static class CommandLineParser
{
    /// <param name="words">The words after the verb.</param>
    /// <param name="options">The options that exist.</param>
    /// <param name="configFile">The option whose value names a configuration file to read in its place.</param>
    /// <exception cref="UsageException">An unknown option, a missing value, or a value for a flag.</exception>
    /// <exception cref="WalConfigurationException">A configuration file cannot be read.</exception>
    public static Arguments Parse(ReadOnlySpan<string> words, IReadOnlyList<Option> options, Option configFile)
    {
        var arguments = new Arguments();
        for (var i = 0; i < words.Length; i++)
        {
            var word = words[i];
            if (word == "--")
            {
                foreach (var rest in words[(i + 1)..])
                    arguments.AddOperand(rest);
                break;
            }

            if (word.Length < 2 || word[0] != '-')
            {
                arguments.AddOperand(word);
                continue;
            }

            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var option = Find(equals < 0 ? word : word[..equals], options);
            var value = equals >= 0 ? word[(equals + 1)..] : null;
            if (value is null && TakesNext(option, words[(i + 1)..]))
                value = words[++i];
            Accept(arguments, option, value, options, configFile);
        }

        return arguments;
    }

    private static bool TakesNext(Option option, ReadOnlySpan<string> rest) => option.Kind switch
    {
        OptionKind.Value => rest.Length > 0,
        // '--remove-unneeded %r %f %p' and '--remove-unneeded %f %p' differ only in the number of words that follow.
        OptionKind.OptionalValue => rest.Length > 0 && !rest[0].StartsWith('-') && CountOperands(rest) >= 3,
        _ => false,
    };

    private static int CountOperands(ReadOnlySpan<string> words)
    {
        var count = 0;
        foreach (var word in words)
            count += word.StartsWith('-') ? 0 : 1;
        return count;
    }

    private static void Accept(Arguments arguments, Option option, string? value, IReadOnlyList<Option> options, Option configFile)
    {
        if (option.Refusal is { } why)
            throw new UsageException($"The option {option.Name} must be removed: {why}.");
        if (option.Kind == OptionKind.Flag && value is not null)
            throw new UsageException($"The option {option.Name} takes no value, but '{value}' was given.");
        if (option.Kind == OptionKind.Value && value is null)
            throw new UsageException($"The option {option.Name} needs a value ({option.Placeholder}).");
        if (option != configFile)
        {
            arguments.Add(option, value);
            return;
        }

        foreach (var (name, text) in ConfigFile.Read(value!))
        {
            var inner = Find(name, options);
            // A file inside a file could name itself.
            if (inner == configFile)
                throw new UsageException($"The configuration file '{value}' names another configuration file.");
            Accept(arguments, inner, text, options, configFile);
        }
    }

    private static Option Find(string name, IReadOnlyList<Option> options)
    {
        foreach (var option in options)
        {
            if (option.IsNamed(name))
                return option;
        }

        throw new UsageException($"The option '{name}' is not known here.{EditDistance.Question(name, options.Where(o => o.Refusal is null).SelectMany(o => o.Aliases.Prepend(o.Name)))}");
    }
}
