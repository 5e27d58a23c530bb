using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>Writes the help of the program and of one verb from the same tables that parse.</summary>
internal static class HelpText
{
    private const int Column = 34;

    public static string ForProgram(IEnumerable<(string Name, string Summary)> verbs)
    {
        var text = new StringBuilder("omnipg-wal: archive_command, restore_command and archive_cleanup_command of PostgreSQL.\n\nUsage: omnipg-wal VERB [options] [arguments]\n\n");
        foreach (var (name, summary) in verbs)
            text.Append("  ").Append(name.PadRight(12)).Append(summary).Append('\n');
        return text.Append("\nomnipg-wal VERB --help shows the options of a verb with an example; omnipg-wal --version the version.\n").ToString();
    }

    public static string ForVerb(string name, string summary, string operands, string example, IEnumerable<Option> options)
    {
        var text = new StringBuilder();
        text.Append("omnipg-wal ").Append(name).Append(": ").Append(summary).Append("\n\nUsage: omnipg-wal ").Append(name).Append(" [options]");
        if (operands.Length > 0)
            text.Append(' ').Append(operands);
        text.Append("\n\nExample:\n  ").Append(example).Append("\n\nOptions:\n");
        foreach (var option in options.Where(o => o.Refusal is null))
            Append(text, option);
        return text.ToString();
    }

    private static void Append(StringBuilder text, Option option)
    {
        var value = option.Kind switch
        {
            OptionKind.Flag => "",
            OptionKind.OptionalValue => $"[={option.Placeholder}]",
            _ => " " + option.Placeholder,
        };
        var left = $"  {string.Join(", ", option.Aliases.Prepend(option.Name))}{value}";
        text.Append(left.PadRight(Column));
        if (left.Length >= Column)
            text.Append('\n').Append(' ', Column);
        text.Append(option.Help).Append(option.Repeatable ? " (repeatable)" : "").Append('\n');
    }
}
