using System.Buffers;
using System.Text;

namespace OmniPg.Wal;

/// <summary>
/// Validates one WAL file while its bytes pass by. Feed it the buffers as they are read, in any sizes, then call <see cref="Complete"/>.
/// </summary>
/// <remarks>
/// Single use, not thread-safe. Allocates when it is made and when it ends or fails, never per buffer, page or record.
/// Segments pass through <c>PageReader</c> (page headers) into <c>RecordAssembler</c> (records over pages); the two kinds of text file are collected and parsed at the end.
/// </remarks>
public sealed class WalSegmentValidator
{
    private readonly IContentCheck _check;
    private bool _completed;

    /// <summary>Prepares the validation of one file.</summary>
    /// <param name="name">Name of the file. Decides what its content must be.</param>
    /// <param name="level">How thoroughly to check.</param>
    /// <param name="expectations">What is known about the cluster; <see langword="null"/> means nothing.</param>
    public WalSegmentValidator(WalFileName name, WalValidation level, WalExpectations? expectations = null)
        : this(name, level, expectations ?? WalExpectations.Any, null)
    {
    }

    internal WalSegmentValidator(WalFileName? name, WalValidation level, WalExpectations expectations, IRecordObserver? observer)
    {
        _check = name switch
        {
            _ when level == WalValidation.None => new UncheckedContent(name),
            { Kind: WalFileKind.TimelineHistory or WalFileKind.BackupHistory } text => new TextContentCheck(text, level),
            _ => new SegmentContentCheck(name, level, expectations, observer),
        };
    }

    /// <summary>Checks the next bytes of the file.</summary>
    /// <param name="bytes">Uncompressed content, following what was given before. Not kept.</param>
    /// <exception cref="WalValidationException">The content is wrong. The validator must not be used again.</exception>
    /// <exception cref="InvalidOperationException"><see cref="Complete"/> was called before.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_completed)
            throw new InvalidOperationException("The validator was completed; make a new one for the next file.");

        _check.Append(bytes);
    }

    /// <summary>Says that the file is at its end, and gives the verdict.</summary>
    /// <returns>What the file holds.</returns>
    /// <exception cref="WalValidationException">The file ends too early, or a text file cannot be parsed.</exception>
    /// <exception cref="InvalidOperationException">The method was called before.</exception>
    public WalValidationResult Complete()
    {
        if (_completed)
            throw new InvalidOperationException("The validator was completed before.");

        _completed = true;
        return _check.Complete();
    }

    /// <summary>One way to check the bytes of a file: binary segment, text, or not at all.</summary>
    internal interface IContentCheck
    {
        void Append(ReadOnlySpan<byte> bytes);

        WalValidationResult Complete();
    }

    /// <summary>Accepts everything and counts it.</summary>
    private sealed class UncheckedContent(WalFileName? name) : IContentCheck
    {
        private long _bytes;

        public void Append(ReadOnlySpan<byte> bytes) => _bytes += bytes.Length;

        public WalValidationResult Complete() => new()
        {
            Kind = name?.Kind ?? WalFileKind.Segment,
            Level = WalValidation.None,
            Bytes = _bytes,
            EdgesUnchecked = true,
        };
    }

    /// <summary>Collects a timeline or backup history file and parses it at the end.</summary>
    private sealed class TextContentCheck(WalFileName name, WalValidation level) : IContentCheck
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
}
