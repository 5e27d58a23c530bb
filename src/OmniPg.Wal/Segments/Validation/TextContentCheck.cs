using System.Buffers;
using System.Text;

namespace OmniPg.Wal;

/// <summary>Collects a timeline or backup history file and parses it at the end.</summary>
internal sealed class TextContentCheck(WalFileName name, WalValidation level) : IWalContentCheck
{
    // A history file has one line per promotion in the life of a cluster; a backup history file about ten lines.
    private const int MaxBytes = 1 << 20;

    private readonly ArrayBufferWriter<byte> _text = new();

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_text.WrittenCount + bytes.Length > MaxBytes)
        {
            throw new WalValidationException(
                WalValidationProblem.BadText, $"the file is longer than '{MaxBytes}' bytes", name.ToString(), _text.WrittenCount);
        }

        _text.Write(bytes);
    }

    public WalValidationResult Complete()
    {
        var text = Encoding.UTF8.GetString(_text.WrittenSpan);
        if (name.Kind == WalFileKind.TimelineHistory)
        {
            TimelineHistory.Parse(name.Timeline, text);
        }
        else
        {
            BackupLabel.Parse(text).ThrowUnlessNamed(name);
        }

        return new WalValidationResult { Kind = name.Kind, Level = level, Bytes = _text.WrittenCount, EdgesUnchecked = true };
    }
}
